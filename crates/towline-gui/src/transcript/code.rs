//! Colours of one line of code: comments, strings, numbers, keywords, calls.
//!
//! A table per family of languages, and one pass over each line. A grammar engine knows more, but weighs megabytes,
//! starts slowly, and can take unbounded time over one hostile line.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Nothing special.
    Plain,
    /// A comment.
    Comment,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A keyword.
    Keyword,
    /// A function that is called.
    Call,
    /// A line that a patch adds.
    Added,
    /// A line that a patch takes away.
    Removed,
}

/// What a line begins inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inside {
    /// Code.
    #[default]
    Code,
    /// A comment of several lines.
    Comment,
    /// A string of several lines that three of these quotes end.
    Triple(char),
}

/// How a language writes things.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Language {
    /// Unknown: no colours.
    Plain,
    /// A patch.
    Patch,
    /// Of a family.
    Family(&'static Family),
}

/// How a family of languages writes things.
#[derive(Debug)]
pub struct Family {
    names: &'static str,
    line_comment: &'static str,
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static str,
    has_triple: bool,
    keywords: LazyLock<HashSet<&'static str>>,
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

fn words(text: &'static str) -> HashSet<&'static str> {
    text.split_ascii_whitespace().collect()
}

/// The longest name of a language, in bytes.
const MAX_NAME: usize = 16;

static NAMES: LazyLock<HashMap<&'static str, &'static Family>> = LazyLock::new(|| {
    FAMILIES
        .iter()
        .flat_map(|family| family.names.split_ascii_whitespace().map(move |name| (name, family)))
        .collect()
});

const C_COMMENT: Option<(&str, &str)> = Some(("/*", "*/"));

static FAMILIES: [Family; 6] = [
    Family {
        names: "rust rs",
        line_comment: "//",
        block_comment: C_COMMENT,
        quotes: "\"",
        has_triple: false,
        keywords: LazyLock::new(|| {
            words(
                "as async await break const continue crate dyn else enum extern false fn for if impl in let loop \
                   match mod move mut pub ref return self Self static struct super trait true type unsafe use where \
                   while",
            )
        }),
    },
    Family {
        names: "python py python3",
        line_comment: "#",
        block_comment: None,
        quotes: "\"'",
        has_triple: true,
        keywords: LazyLock::new(|| {
            words(
                "and as assert async await break class continue def del elif else except False finally for from \
                   global if import in is lambda None nonlocal not or pass raise return True try while with yield",
            )
        }),
    },
    Family {
        names: "javascript js typescript ts jsx tsx c cpp c++ h hpp java csharp cs c# go golang swift kotlin kt scala \
                dart php zig css",
        line_comment: "//",
        block_comment: C_COMMENT,
        quotes: "\"'`",
        has_triple: false,
        keywords: LazyLock::new(|| {
            words(
                "abstract any as async auto await bool boolean break byte case catch char class const constexpr \
                   continue default defer delete do double else enum export extends extern false final finally float \
                   fn for from func function fun go goto if implements import in include instanceof int interface \
                   let long map mut namespace new nil null nullptr number object override package private protected \
                   pub public range readonly return select short signed sizeof static string struct super switch \
                   template this throw true try type typedef typeof undefined union unsigned using val var virtual \
                   void volatile when where while yield",
            )
        }),
    },
    Family {
        names: "sh bash shell zsh fish console toml yaml yml ini conf dockerfile makefile make ruby rb perl r",
        line_comment: "#",
        block_comment: None,
        quotes: "\"'",
        has_triple: false,
        keywords: LazyLock::new(|| {
            words(
                "alias begin break case cd class def do done echo elif else elsif end esac eval exec exit export \
                   false fi for function if in local my next nil null or read require return self set shift source \
                   sudo then trap true unless unset until when while yield FROM RUN COPY ADD CMD ENTRYPOINT ENV \
                   WORKDIR EXPOSE ARG",
            )
        }),
    },
    Family {
        names: "json jsonc json5",
        line_comment: "//",
        block_comment: None,
        quotes: "\"",
        has_triple: false,
        keywords: LazyLock::new(|| words("true false null")),
    },
    Family {
        names: "sql postgresql mysql sqlite lua haskell hs",
        line_comment: "--",
        block_comment: C_COMMENT,
        quotes: "\"'",
        has_triple: false,
        keywords: LazyLock::new(|| {
            words(
                "select from where insert into update delete create table drop alter add join left right inner outer \
                   on group by order having limit as and or not null is in exists between like union all distinct \
                   primary key values set index view begin commit case when then else end with SELECT FROM WHERE \
                   INSERT INTO UPDATE DELETE CREATE TABLE DROP ALTER ADD JOIN LEFT RIGHT INNER OUTER ON GROUP BY \
                   ORDER HAVING LIMIT AS AND OR NOT NULL IS IN EXISTS BETWEEN LIKE UNION ALL DISTINCT PRIMARY KEY \
                   VALUES SET INDEX VIEW BEGIN COMMIT CASE WHEN THEN ELSE END WITH break do elseif for function if \
                   local nil repeat return until while module import data type class instance let of",
            )
        }),
    },
];

impl Language {
    /// The language that the words behind a fence name.
    pub fn of(info: &str) -> Self {
        let name = info.split([' ', ',', '{', ':']).next().unwrap_or_default();
        if name.is_empty() || name.len() > MAX_NAME {
            return Self::Plain;
        }
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "diff" | "patch") {
            return Self::Patch;
        }
        NAMES.get(name.as_str()).map_or(Self::Plain, |family| Self::Family(family))
    }

    /// What the line after `line` begins inside of.
    pub fn after(self, inside: Inside, line: &str) -> Inside {
        let mut inside = inside;
        self.tokens(&mut inside, line, |_, _| {});
        inside
    }

    /// Calls `found` with each token of a line, in order; together they are the line.
    pub fn tokens<'a>(self, inside: &mut Inside, line: &'a str, mut found: impl FnMut(&'a str, Token)) {
        let family = match self {
            Self::Plain => return found(line, Token::Plain),
            Self::Patch => {
                let token = match line.bytes().next() {
                    Some(b'+') => Token::Added,
                    Some(b'-') => Token::Removed,
                    Some(b'@') => Token::Keyword,
                    Some(_) | None => Token::Plain,
                };
                return found(line, token);
            }
            Self::Family(family) => family,
        };
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            let (length, token) = match *inside {
                Inside::Comment => {
                    let close = family.block_comment.map_or("*/", |(_, close)| close);
                    until(rest, close, inside, Token::Comment)
                }
                Inside::Triple(quote) => until(rest, triple(quote), inside, Token::Text),
                Inside::Code => family.token(inside, rest, line[..at].chars().next_back()),
            };
            let length = length.max(1);
            found(&rest[..length], token);
            at += length;
        }
    }
}

fn triple(quote: char) -> &'static str {
    if quote == '"' { "\"\"\"" } else { "'''" }
}

fn until(rest: &str, close: &str, inside: &mut Inside, token: Token) -> (usize, Token) {
    match rest.find(close) {
        Some(end) => {
            *inside = Inside::Code;
            (end + close.len(), token)
        }
        None => (rest.len(), token),
    }
}

impl Family {
    /// The length and kind of the token at the front.
    fn token(&self, inside: &mut Inside, rest: &str, before: Option<char>) -> (usize, Token) {
        let Some(first) = rest.chars().next() else { return (0, Token::Plain) };
        let starts_word = before.is_none_or(|c| c.is_whitespace() || c == ';');
        if rest.starts_with(self.line_comment) && (self.line_comment != "#" || starts_word) {
            return (rest.len(), Token::Comment);
        }
        if let Some((open, close)) = self.block_comment
            && let Some(inner) = rest.strip_prefix(open)
        {
            *inside = Inside::Comment;
            let (length, token) = until(inner, close, inside, Token::Comment);
            return (open.len() + length, token);
        }
        if self.quotes.contains(first) {
            if self.has_triple
                && let Some(inner) = rest.strip_prefix(triple(first))
            {
                *inside = Inside::Triple(first);
                let (length, token) = until(inner, triple(first), inside, Token::Text);
                return (3 + length, token);
            }
            return string(rest, first);
        }
        let word_end = |is_inner: fn(char) -> bool| rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
        if first.is_ascii_digit() {
            return (word_end(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'), Token::Number);
        }
        if first.is_alphabetic() || first == '_' {
            let end = word_end(|c| c.is_alphanumeric() || c == '_');
            let is_keyword = self.keywords.contains(&rest[..end]);
            let is_call = rest[end..].starts_with('(') || rest[end..].starts_with("!(");
            let token = match (is_keyword, is_call) {
                (true, _) => Token::Keyword,
                (false, true) => Token::Call,
                (false, false) => Token::Plain,
            };
            return (end, token);
        }
        // Whatever is between words, in one piece.
        let end =
            rest.find(|c: char| c.is_alphanumeric() || c == '_' || self.begins(c)).unwrap_or(rest.len());
        (end.max(first.len_utf8()), Token::Plain)
    }

    fn begins(&self, c: char) -> bool {
        self.quotes.contains(c) || self.line_comment.starts_with(c) || c == '/' || c == '\n'
    }
}

fn string(rest: &str, quote: char) -> (usize, Token) {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        if c == '\\' {
            is_escaped = true;
        } else if c == quote {
            return (at + quote.len_utf8(), Token::Text);
        }
    }
    // Not closed in this line: an apostrophe, perhaps.
    if quote == '\'' { (1, Token::Plain) } else { (rest.len(), Token::Text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(info: &str, text: &str) -> Vec<(String, Token)> {
        let (language, mut inside, mut all) = (Language::of(info), Inside::Code, Vec::new());
        for line in text.lines() {
            let mut whole = String::new();
            language.tokens(&mut inside, line, |text, token| {
                whole.push_str(text);
                if token != Token::Plain {
                    all.push((text.to_owned(), token));
                }
            });
            assert_eq!(whole, line);
        }
        all
    }

    #[test]
    fn tokens_are_told_apart() {
        let found = coloured("rust,no_run", "let x = call(1); // \"c\"\n/* a\nb */ \"s\\\"t\"");
        let expected = [
            ("let", Token::Keyword),
            ("call", Token::Call),
            ("1", Token::Number),
            ("// \"c\"", Token::Comment),
            ("/* a", Token::Comment),
            ("b */", Token::Comment),
            ("\"s\\\"t\"", Token::Text),
        ];
        assert_eq!(found, expected.map(|(text, token)| (text.to_owned(), token)));
    }

    #[test]
    fn strings_of_several_lines_and_patches() {
        let found = coloured("python", "x = \"\"\"a\nb\"\"\" # c");
        let expected = [("\"\"\"a", Token::Text), ("b\"\"\"", Token::Text), ("# c", Token::Comment)];
        assert_eq!(found, expected.map(|(text, token)| (text.to_owned(), token)));
        assert_eq!(coloured("diff", "+a\n b"), [("+a".to_owned(), Token::Added)]);
        assert_eq!(coloured("brainfuck", "let \"x\""), []);
    }
}
