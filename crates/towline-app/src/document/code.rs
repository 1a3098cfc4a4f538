//! Classifies the parts of a line of code: comments, strings, numbers, keywords, calls. It is used only for
//! colours.
//!
//! It has a table per family of languages and makes one pass over each line, in time linear in the line's
//! length. A grammar engine knows more, but it has megabytes of code, starts slowly, and can take unbounded
//! time for one hostile line. The state at the end of a line is one small value, so any line can be scanned
//! again without those before it.

mod languages;

use languages::Family;

/// The kind of a part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain code.
    Plain,
    /// A comment.
    Comment,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A keyword.
    Keyword,
    /// The name in a call of a function or macro.
    Call,
    /// A line that a patch adds.
    Added,
    /// A line that a patch removes.
    Removed,
    /// A line of a patch with the location of its changes.
    Place,
}

/// The state in which a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineState {
    /// Code.
    #[default]
    Code,
    /// A multi-line comment.
    Comment,
    /// A multi-line string that this quote ends.
    Quote(char),
    /// A multi-line string that three of these quotes end.
    Triple(char),
}

/// How a language writes things.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Language(Grammar);

#[derive(Debug, Clone, Copy)]
enum Grammar {
    Unknown,
    Patch,
    Family(&'static Family),
}

impl PartialEq for Grammar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Unknown) | (Self::Patch, Self::Patch) => true,
            (Self::Family(one), Self::Family(other)) => std::ptr::eq(*one, *other),
            (Self::Unknown | Self::Patch | Self::Family(_), _) => false,
        }
    }
}

impl Language {
    /// The language that an info string names. In an unknown language, every line is [`Kind::Plain`].
    pub fn of(info: &str) -> Self {
        let name = info.trim_start().split([' ', ',', '{', ':']).next().unwrap_or_default();
        if ["diff", "patch"].iter().any(|patch| name.eq_ignore_ascii_case(patch)) {
            return Self(Grammar::Patch);
        }
        Self(languages::find(name).map_or(Grammar::Unknown, Grammar::Family))
    }

    /// Calls `found` with each part of a line, in order; together the parts are the line, and none is empty.
    /// `inside` is the state at the beginning of the line, and afterwards that of the next line.
    ///
    /// The line must not include its line feed.
    pub fn scan<'a>(self, inside: &mut LineState, line: &'a str, mut found: impl FnMut(&'a str, Kind)) {
        if line.is_empty() {
            return;
        }
        match self.0 {
            Grammar::Unknown => found(line, Kind::Plain),
            Grammar::Patch => found(line, patched(line)),
            Grammar::Family(family) => {
                let mut scan = Scan { family, inside: *inside, line, at: 0, has_apostrophe: false };
                while scan.at < line.len() {
                    let from = scan.at;
                    let kind = scan.part();
                    found(&line[from..scan.at], kind);
                }
                *inside = scan.inside;
            }
        }
    }

    /// The state after a line, as [`scan`](Self::scan) leaves it, in a fraction of its time.
    pub fn pass(self, inside: LineState, line: &str) -> LineState {
        let Grammar::Family(family) = self.0 else { return inside };
        let mut scan = Scan { family, inside, line, at: 0, has_apostrophe: false };
        while scan.at < line.len() {
            let from = scan.at;
            if scan.inside == LineState::Code {
                scan.skip(is_of_word);
                scan.skip(|c| !is_of_word(c) && !family.may_begin(c));
            }
            if scan.at == from {
                scan.part();
            }
        }
        scan.inside
    }
}

fn patched(line: &str) -> Kind {
    match line.as_bytes().first() {
        Some(b'+') => Kind::Added,
        Some(b'-') => Kind::Removed,
        Some(b'@') => Kind::Place,
        Some(_) | None => Kind::Plain,
    }
}

fn triple(quote: char) -> &'static str {
    if quote == '\'' { "'''" } else { "\"\"\"" }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The scan of one line.
#[derive(Debug)]
struct Scan<'a> {
    family: &'static Family,
    inside: LineState,
    line: &'a str,
    at: usize,
    /// There was a single quote that this line does not close. Then no later one is closed either: each of
    /// them follows a backslash, and the text after it parses the same way.
    has_apostrophe: bool,
}

impl Scan<'_> {
    /// Skips the next part; at least one character.
    fn part(&mut self) -> Kind {
        match self.inside {
            LineState::Code => self.code(),
            LineState::Comment => {
                let close = self.family.rules.block_comment.map_or("*/", |(_, close)| close);
                self.until(close, Kind::Comment)
            }
            LineState::Quote(quote) => self.string(quote, 0),
            LineState::Triple(quote) => self.until(triple(quote), Kind::Text),
        }
    }

    fn rest(&self) -> &str {
        &self.line[self.at..]
    }

    /// Skips the leading bytes that are `is_inner`.
    fn skip(&mut self, is_inner: impl Fn(char) -> bool) {
        let length = self.rest().find(|c| !is_inner(c)).unwrap_or(self.rest().len());
        self.at += length;
    }

    fn until(&mut self, close: &str, kind: Kind) -> Kind {
        match self.rest().find(close) {
            Some(end) => {
                self.inside = LineState::Code;
                self.at += end + close.len();
            }
            None => self.at = self.line.len(),
        }
        kind
    }

    fn code(&mut self) -> Kind {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Kind::Plain };
        if let Some((open, close)) = self.family.rules.block_comment
            && rest.starts_with(open)
        {
            self.inside = LineState::Comment;
            self.at += open.len();
            return self.until(close, Kind::Comment);
        }
        if self.begins_line_comment() {
            self.at = self.line.len();
            return Kind::Comment;
        }
        if self.family.rules.quotes.contains(first) || self.family.rules.lasting_quotes.contains(first) {
            if self.family.rules.has_triple && rest.starts_with(triple(first)) {
                self.inside = LineState::Triple(first);
                self.at += triple(first).len();
                return self.until(triple(first), Kind::Text);
            }
            return self.string(first, first.len_utf8());
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if is_of_word(first) {
            return self.word();
        }
        // Everything between words, in one piece.
        self.at += first.len_utf8();
        let family = self.family;
        self.skip(|c| !is_of_word(c) && !family.may_begin(c));
        Kind::Plain
    }

    fn begins_line_comment(&self) -> bool {
        let mark = self.family.rules.line_comment;
        if mark.is_empty() || !self.rest().starts_with(mark) {
            return false;
        }
        // `$#` and `a#b` are not comments.
        let before = self.line[..self.at].chars().next_back();
        mark != "#" || before.is_none_or(|c| c.is_whitespace() || c == ';')
    }

    /// A string whose first `opened` bytes open it.
    fn string(&mut self, quote: char, opened: usize) -> Kind {
        let is_apostrophe = quote == '\'' && !self.family.rules.lasting_quotes.contains(quote);
        if is_apostrophe && self.has_apostrophe {
            self.at += opened;
            return Kind::Plain;
        }
        let mut is_escaped = false;
        for (at, c) in self.rest()[opened..].char_indices() {
            if std::mem::take(&mut is_escaped) {
                continue;
            }
            if c == '\\' {
                is_escaped = true;
            } else if c == quote {
                self.at += opened + at + quote.len_utf8();
                self.inside = LineState::Code;
                return Kind::Text;
            }
        }
        if is_apostrophe {
            self.has_apostrophe = true;
            self.at += opened;
            return Kind::Plain;
        }
        if self.family.rules.lasting_quotes.contains(quote) {
            self.inside = LineState::Quote(quote);
        }
        self.at = self.line.len();
        Kind::Text
    }

    fn number(&mut self) -> Kind {
        self.skip(is_of_word);
        let fraction = self.rest().strip_prefix('.').and_then(|rest| rest.chars().next());
        // `1.5`, but not `1..5` and `1.max(5)`.
        if fraction.is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.skip(is_of_word);
        }
        Kind::Number
    }

    fn word(&mut self) -> Kind {
        let from = self.at;
        self.skip(is_of_word);
        if self.family.is_keyword(&self.line[from..self.at]) {
            Kind::Keyword
        } else if self.rest().starts_with('(') || self.rest().starts_with("!(") {
            Kind::Call
        } else {
            Kind::Plain
        }
    }
}
