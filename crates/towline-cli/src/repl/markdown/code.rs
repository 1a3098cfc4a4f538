//! Highlighting of code, line by line and in one pass over each: comments, strings, numbers, keywords.
//!
//! A table per family of languages is all there is. A grammar engine knows more, but weighs megabytes, starts slowly,
//! and can take unbounded time over one hostile line.

use crate::repl::term::text::{Color, Line, Style};

const COMMENT: Style = Style { italic: true, ..Style::color(Color::Grey) };
const STRING: Style = Style::color(Color::Green);
const NUMBER: Style = Style::color(Color::Yellow);
const KEYWORD: Style = Style::color(Color::Magenta);
const CALL: Style = Style::color(Color::Blue);

/// How a family of languages writes things.
#[derive(Debug)]
struct Family {
    names: &'static [&'static str],
    line_comment: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static str,
    /// Three quotes open a string of several lines.
    has_triple: bool,
    keywords: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["rust", "rs"],
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"",
        has_triple: false,
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop \
                   match mod move mut pub ref return self Self static struct super trait true type unsafe use where \
                   while",
    },
    Family {
        names: &["python", "py", "python3"],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        has_triple: true,
        keywords: "and as assert async await break class continue def del elif else except False finally for from \
                   global if import in is lambda match None nonlocal not or pass raise return True try while with \
                   yield",
    },
    Family {
        names: &["javascript", "js", "typescript", "ts", "jsx", "tsx"],
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'`",
        has_triple: false,
        keywords: "abstract any as async await boolean break case catch class const continue declare default delete \
                   do else enum export extends false finally for from function if implements import in instanceof \
                   interface let new null number of private protected public readonly return static string super \
                   switch this throw true try type typeof undefined var void while yield",
    },
    Family {
        names: &[
            "c", "cpp", "c++", "h", "hpp", "java", "csharp", "cs", "c#", "go", "golang", "swift", "kotlin",
            "kt", "scala", "dart", "php", "zig",
        ],
        line_comment: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'",
        has_triple: false,
        keywords: "abstract as async auto await bool boolean break byte case catch char class const constexpr \
                   continue default defer delete do double else enum export extends extern false final finally \
                   float fn for func function fun go goto guard if implements import in include inline int \
                   interface internal let long map mut namespace new nil null nullptr object override package \
                   private protected pub public range return select short signed sizeof static string struct super \
                   switch template this throw throws true try type typedef union unsigned using val var virtual \
                   void volatile when where while",
    },
    Family {
        names: &["sh", "bash", "shell", "zsh", "fish", "console"],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        has_triple: false,
        keywords: "alias break case cd continue do done echo elif else end esac eval exec exit export fi for function \
                   if in local read return set shift source sudo then trap unset until while",
    },
    Family {
        names: &[
            "toml",
            "yaml",
            "yml",
            "ini",
            "conf",
            "dockerfile",
            "makefile",
            "make",
            "ruby",
            "rb",
            "perl",
            "r",
        ],
        line_comment: &["#"],
        block_comment: None,
        quotes: "\"'",
        has_triple: false,
        keywords: "true false null yes no on off and begin break class def do else elsif end ensure for if in module \
                   next nil not or rescue return self then unless until when while yield FROM RUN COPY ADD CMD \
                   ENTRYPOINT ENV WORKDIR EXPOSE ARG my our sub use function library",
    },
    Family {
        names: &["json", "jsonc", "json5"],
        line_comment: &["//"],
        block_comment: None,
        quotes: "\"",
        has_triple: false,
        keywords: "true false null",
    },
    Family {
        names: &["sql", "postgresql", "mysql", "sqlite", "lua", "haskell", "hs"],
        line_comment: &["--"],
        block_comment: Some(("/*", "*/")),
        quotes: "\"'",
        has_triple: false,
        keywords: "select from where insert into update delete create table drop alter add join left right inner \
                   outer on group by order having limit offset as and or not null is in exists between like union \
                   all distinct primary key foreign references values set index view begin commit rollback case \
                   when then else end with default SELECT FROM WHERE INSERT INTO UPDATE DELETE CREATE TABLE DROP \
                   ALTER ADD JOIN LEFT RIGHT INNER OUTER ON GROUP BY ORDER HAVING LIMIT OFFSET AS AND OR NOT NULL \
                   IS IN EXISTS BETWEEN LIKE UNION ALL DISTINCT PRIMARY KEY FOREIGN REFERENCES VALUES SET INDEX \
                   VIEW BEGIN COMMIT ROLLBACK CASE WHEN THEN ELSE END WITH DEFAULT break do elseif for function if \
                   local nil repeat return until while module import data type class instance let where of",
    },
];

/// What a line begins inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    Comment,
    /// A string of several lines that three of these quotes end.
    Triple(char),
}

#[derive(Debug)]
enum Kind {
    Plain,
    Diff,
    Family(&'static Family, Inside),
}

/// Highlights the lines of one fence.
#[derive(Debug)]
pub struct Code {
    kind: Kind,
}

impl Code {
    /// For the language that the words after the fence name.
    pub fn new(info: &str) -> Self {
        let name = info.split([' ', ',', '{', ':']).next().unwrap_or_default().to_ascii_lowercase();
        let family = FAMILIES.iter().find(|family| family.names.contains(&name.as_str()));
        let kind = match family {
            Some(family) => Kind::Family(family, Inside::Code),
            None if name == "diff" || name == "patch" => Kind::Diff,
            None => Kind::Plain,
        };
        Self { kind }
    }

    pub fn line(&mut self, text: &str) -> Line {
        match &mut self.kind {
            Kind::Plain => Line::styled(text, Style::PLAIN),
            Kind::Diff => {
                let color = match text.bytes().next() {
                    Some(b'+') => Color::Green,
                    Some(b'-') => Color::Red,
                    Some(b'@') => Color::Cyan,
                    Some(_) | None => Color::Default,
                };
                Line::styled(text, Style::color(color))
            }
            Kind::Family(family, inside) => highlight(family, inside, text),
        }
    }
}

fn highlight(family: &Family, inside: &mut Inside, text: &str) -> Line {
    let mut line = Line::default();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, style) = match *inside {
            Inside::Comment => {
                let end =
                    family.block_comment.and_then(|(_, close)| rest.find(close).map(|end| end + close.len()));
                if end.is_some() {
                    *inside = Inside::Code;
                }
                (end.unwrap_or(rest.len()), COMMENT)
            }
            Inside::Triple(quote) => {
                let close = String::from(quote).repeat(3);
                let end = rest.find(&close).map(|end| end + close.len());
                if end.is_some() {
                    *inside = Inside::Code;
                }
                (end.unwrap_or(rest.len()), STRING)
            }
            Inside::Code => token(family, inside, rest, text[..at].chars().next_back()),
        };
        line.push(&rest[..length], style);
        at += length;
    }
    line
}

/// The length and style of the token at the front; at least one character.
fn token(family: &Family, inside: &mut Inside, rest: &str, before: Option<char>) -> (usize, Style) {
    let Some(first) = rest.chars().next() else { return (0, Style::PLAIN) };
    let starts_word = before.is_none_or(|c| c.is_whitespace() || c == ';');
    let comment =
        family.line_comment.iter().any(|mark| rest.starts_with(mark) && (*mark != "#" || starts_word));
    if comment {
        return (rest.len(), COMMENT);
    }
    if let Some((open, close)) = family.block_comment
        && let Some(inner) = rest.strip_prefix(open)
    {
        return match inner.find(close) {
            Some(end) => (open.len() + end + close.len(), COMMENT),
            None => {
                *inside = Inside::Comment;
                (rest.len(), COMMENT)
            }
        };
    }
    if family.quotes.contains(first) {
        return string(family, inside, rest, first);
    }
    if first.is_ascii_digit() {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        return (end.unwrap_or(rest.len()), NUMBER);
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = &rest[..end];
        let style = if family.keywords.split_ascii_whitespace().any(|keyword| keyword == word) {
            KEYWORD
        } else if rest[end..].starts_with('(') || rest[end..].starts_with("!(") {
            CALL
        } else {
            Style::PLAIN
        };
        return (end, style);
    }
    (first.len_utf8(), Style::PLAIN)
}

fn string(family: &Family, inside: &mut Inside, rest: &str, quote: char) -> (usize, Style) {
    if family.has_triple {
        let triple = String::from(quote).repeat(3);
        if let Some(inner) = rest.strip_prefix(&triple) {
            return match inner.find(&triple) {
                Some(end) => (end + 2 * triple.len(), STRING),
                None => {
                    *inside = Inside::Triple(quote);
                    (rest.len(), STRING)
                }
            };
        }
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if std::mem::take(&mut escaped) {
            continue;
        }
        if c == '\\' {
            escaped = true;
        } else if c == quote {
            return (at + quote.len_utf8(), STRING);
        }
    }
    // Not closed in this line: an apostrophe, perhaps.
    if quote == '\'' { (1, Style::PLAIN) } else { (rest.len(), STRING) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(info: &str, text: &str) -> Vec<(String, Color)> {
        let mut code = Code::new(info);
        let lines: Vec<_> = text.lines().map(|line| code.line(line)).collect();
        let spans = lines.iter().flat_map(|line| line.spans());
        let colored = spans.filter(|span| span.style().color != Color::Default);
        colored.map(|span| (span.text().to_owned(), span.style().color)).collect()
    }

    #[test]
    fn tokens_are_coloured() {
        let found = colors("rust,no_run", "let x = call(1); // \"c\"\n/* a\nb */ \"s\\\"t\"");
        let expected = [
            ("let", Color::Magenta),
            ("call", Color::Blue),
            ("1", Color::Yellow),
            ("// \"c\"", Color::Grey),
            ("/* a", Color::Grey),
            ("b */", Color::Grey),
            ("\"s\\\"t\"", Color::Green),
        ];
        assert_eq!(found, expected.map(|(text, color)| (text.to_owned(), color)));
    }

    #[test]
    fn strings_of_several_lines() {
        let found = colors("python", "x = \"\"\"a\nb\"\"\" # c");
        let expected = [("\"\"\"a", Color::Green), ("b\"\"\"", Color::Green), ("# c", Color::Grey)];
        assert_eq!(found, expected.map(|(text, color)| (text.to_owned(), color)));
    }

    #[test]
    fn an_unknown_language_is_plain() {
        assert_eq!(colors("brainfuck", "let \"x\""), []);
    }
}
