//! The syntax of language families.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// The syntax of a language family.
#[derive(Debug)]
pub(super) struct Rules {
    names: &'static str,
    /// The beginning of a line comment; empty if there is none.
    pub(super) line_comment: &'static str,
    pub(super) block_comment: Option<(&'static str, &'static str)>,
    /// The quotes of single-line strings.
    pub(super) quotes: &'static str,
    /// The quotes of multi-line strings.
    pub(super) lasting_quotes: &'static str,
    /// Whether three quotes begin a multi-line string.
    pub(super) has_triple: bool,
    /// Whether keywords ignore case; the table has them in lower case.
    ignores_case: bool,
    keywords: &'static str,
}

/// A family, ready for use.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) rules: &'static Rules,
    keywords: HashSet<&'static str>,
}

/// The maximum length of a language name and of a keyword, in bytes; longer words are not looked up.
const MAX_WORD: usize = 16;

const C_COMMENT: Option<(&str, &str)> = Some(("/*", "*/"));

const PLAIN: Rules = Rules {
    names: "",
    line_comment: "",
    block_comment: None,
    quotes: "\"'",
    lasting_quotes: "",
    has_triple: false,
    ignores_case: false,
    keywords: "",
};

static RULES: [Rules; 13] = [
    Rules {
        names: "rust rs",
        line_comment: "//",
        block_comment: C_COMMENT,
        quotes: "\"",
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match \
                 mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
        ..PLAIN
    },
    Rules {
        names: "python py python3",
        line_comment: "#",
        has_triple: true,
        keywords: "and as assert async await break case class continue def del elif else except False finally for from \
                 global if import in is lambda match None nonlocal not or pass raise return self True try while with \
                 yield",
        ..PLAIN
    },
    Rules {
        names: "javascript js mjs typescript ts jsx tsx",
        line_comment: "//",
        block_comment: C_COMMENT,
        lasting_quotes: "`",
        keywords: "abstract any as async await boolean break case catch class const continue debugger declare default \
                 delete do else enum export extends false finally for from function get if implements import in \
                 instanceof interface keyof let namespace new null number of private protected public readonly return \
                 set static string super switch this throw true try type typeof undefined unknown var void while with \
                 yield",
        ..PLAIN
    },
    Rules {
        names: "go golang",
        line_comment: "//",
        block_comment: C_COMMENT,
        lasting_quotes: "`",
        keywords: "any bool break byte case chan const continue default defer else error fallthrough false float32 \
                 float64 for func go goto if import int int32 int64 interface map nil package range return rune select \
                 string struct switch true type uint var",
        ..PLAIN
    },
    Rules {
        names: "c cpp c++ cc h hpp java csharp cs c# swift kotlin kt scala dart php zig objc proto",
        line_comment: "//",
        block_comment: C_COMMENT,
        keywords: "abstract as async auto await bool boolean break byte case catch char class comptime const constexpr \
                 continue data default defer delete do double echo else enum explicit export extends extern false \
                 final finally float fn for foreach friend fun func function global goto guard if implements import in \
                 include inline instanceof int interface internal let long match mut namespace new nil noexcept null \
                 nullptr object operator override package private protected pub public readonly register require \
                 return sealed short signed sizeof static string struct super switch template this throw throws trait \
                 true try typedef typename typeof union unsigned use using val var virtual void volatile when where \
                 while yield",
        ..PLAIN
    },
    Rules {
        names: "css scss sass less",
        block_comment: C_COMMENT,
        keywords: "auto block flex grid import important inherit initial media none unset",
        ..PLAIN
    },
    Rules {
        names: "sh bash shell zsh fish console",
        line_comment: "#",
        keywords: "alias begin break case cd continue do done echo elif else end esac eval exec exit export false fi for \
                 function if in local read return set shift source sudo then trap true unset until while",
        ..PLAIN
    },
    Rules {
        names: "toml yaml yml ini conf makefile make cmake nginx r ruby rb perl pl elixir ex julia jl",
        line_comment: "#",
        keywords: "TRUE FALSE NULL and begin break case class def defmodule do else elseif elsif end endif ensure false \
                 fn for foreach function if in include library local module my next nil no not null off on or our \
                 repeat require rescue return self sub then true unless until use when while yes yield",
        ..PLAIN
    },
    Rules {
        names: "dockerfile docker containerfile",
        line_comment: "#",
        ignores_case: true,
        keywords: "add arg as cmd copy entrypoint env expose from healthcheck label onbuild run shell stopsignal user \
                 volume workdir",
        ..PLAIN
    },
    Rules {
        names: "json jsonc json5 jsonl ndjson",
        line_comment: "//",
        block_comment: C_COMMENT,
        quotes: "\"",
        keywords: "true false null",
        ..PLAIN
    },
    Rules {
        names: "sql postgresql postgres mysql sqlite",
        line_comment: "--",
        block_comment: C_COMMENT,
        ignores_case: true,
        keywords: "add all alter and as asc begin between by case check commit constraint create cross default delete \
                 desc distinct drop else end except exists foreign from full group having if in index inner insert \
                 intersect into is join key left like limit not null offset on or order outer over partition primary \
                 references returning right rollback select set table then union unique update using values view when \
                 where with",
        ..PLAIN
    },
    Rules {
        names: "lua",
        line_comment: "--",
        block_comment: Some(("--[[", "]]")),
        keywords: "and break do else elseif end false for function goto if in local nil not or repeat return then true \
                 until while",
        ..PLAIN
    },
    Rules {
        names: "haskell hs elm",
        line_comment: "--",
        block_comment: Some(("{-", "-}")),
        quotes: "\"",
        keywords: "as case class data deriving do else forall hiding if import in infix infixl infixr instance let \
                 module newtype of qualified then type where",
        ..PLAIN
    },
];

static FAMILIES: LazyLock<Vec<Family>> = LazyLock::new(|| {
    let family = |rules: &'static Rules| Family { rules, keywords: rules.keywords.split(' ').collect() };
    RULES.iter().map(family).collect()
});

static NAMES: LazyLock<HashMap<&'static str, &'static Family>> = LazyLock::new(|| {
    let named = |family: &'static Family| family.rules.names.split(' ').map(move |name| (name, family));
    FAMILIES.iter().flat_map(named).collect()
});

/// The family of the language with this name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Family> {
    if name.is_empty() || name.len() > MAX_WORD {
        return None;
    }
    NAMES.get(name.to_ascii_lowercase().as_str()).copied()
}

impl Family {
    pub(super) fn is_keyword(&self, word: &str) -> bool {
        if word.len() > MAX_WORD {
            return false;
        }
        if self.rules.ignores_case {
            self.keywords.contains(word.to_ascii_lowercase().as_str())
        } else {
            self.keywords.contains(word)
        }
    }

    /// Whether a comment or string may begin with this.
    pub(super) fn may_begin(&self, c: char) -> bool {
        let rules = self.rules;
        rules.quotes.contains(c)
            || rules.lasting_quotes.contains(c)
            || rules.line_comment.starts_with(c)
            || rules.block_comment.is_some_and(|(open, _)| open.starts_with(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_word_has_an_effect() {
        let mut names = HashSet::new();
        for family in FAMILIES.iter() {
            for name in family.rules.names.split(' ') {
                assert!(names.insert(name), "{name} is a name of two families");
                assert!(name.len() <= MAX_WORD && name == name.to_ascii_lowercase(), "{name}");
            }
            for keyword in family.rules.keywords.split(' ') {
                assert!(family.is_keyword(keyword), "{keyword} of {} is never found", family.rules.names);
            }
        }
    }
}
