//! Protects text that Markdown would treat as markup and omit.
//!
//! Models write formulas between `\(` and `\)`, Windows' paths, and lines that look like definitions of
//! links. Each such piece is replaced by one character without a meaning in Markdown, and is restored after
//! parsing.

use std::borrow::Cow;

/// Placeholders are `FIRST + n`, from the private use areas, which no language uses.
const FIRST: char = '\u{f0000}';
const LAST: char = '\u{ffffd}';

/// The characters that a backslash escapes in Markdown. Before any other character, a backslash is literal.
const ESCAPED: &str = "*_`#~+-.!><|$&";

/// A piece that has a placeholder.
#[derive(Debug)]
struct Kept {
    text: String,
    is_formula: bool,
}

/// A block that Markdown can read without loss.
#[derive(Debug)]
pub(super) struct Source<'a> {
    text: Cow<'a, str>,
    kept: Vec<Kept>,
}

impl<'a> Source<'a> {
    /// Protects a block. A block that does not begin at the start of a line has no marks at its beginning.
    pub(super) fn of(block: &'a str, begins_line: bool) -> Self {
        let mut source = Self { text: Cow::Borrowed(block), kept: Vec::new() };
        if !begins_line
            || block.contains(|c: char| matches!(c, '\\' | '*' | '|' | FIRST..=LAST))
            || block.contains("]:")
        {
            let text = source.protected(block, begins_line);
            source.text = Cow::Owned(widened(text));
        }
        source
    }

    /// The text for the Markdown parser.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Calls `found` with each part of a parsed text: the original text, and whether it is a formula.
    pub(super) fn restore(&self, text: &str, mut found: impl FnMut(&str, bool)) {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| (FIRST..=LAST).contains(&c)) {
            let (before, after) = rest.split_at(at);
            let stand_in = after.chars().next().unwrap_or(FIRST);
            rest = &after[stand_in.len_utf8()..];
            if !before.is_empty() {
                found(before, false);
            }
            if let Some(kept) = self.kept.get((u32::from(stand_in) - u32::from(FIRST)) as usize) {
                found(&kept.text, kept.is_formula);
            }
        }
        if !rest.is_empty() {
            found(rest, false);
        }
    }

    /// The original form of a parsed text.
    pub(super) fn restored(&self, text: &str) -> String {
        let mut whole = String::with_capacity(text.len());
        self.restore(text, |part, _| whole.push_str(part));
        whole
    }

    /// Replaces a piece with a placeholder.
    fn keep(&mut self, out: &mut String, text: &str, is_formula: bool) {
        let index = u32::try_from(self.kept.len()).ok().and_then(|index| u32::from(FIRST).checked_add(index));
        match index.and_then(char::from_u32).filter(|c| *c <= LAST) {
            Some(stand_in) => {
                out.push(stand_in);
                self.kept.push(Kept { text: text.to_owned(), is_formula });
            }
            None => out.push_str(text),
        }
    }

    fn protected(&mut self, block: &str, begins_line: bool) -> String {
        let mut out = String::with_capacity(block.len());
        let mut at = 0;
        if !begins_line {
            let first = block.chars().next().map_or(0, char::len_utf8);
            self.keep(&mut out, &block[..first], false);
            at = first;
        }
        // A mark that is not found after one position is not found after a later one either.
        let mut unclosed = [false; 2];
        while let Some(c) = block[at..].chars().next() {
            let rest = &block[at..];
            let length = match c {
                '\\' => match rest[1..].chars().next() {
                    Some(open @ ('(' | '[')) => match formula(rest, open, &mut unclosed) {
                        Some(length) => {
                            self.keep(&mut out, &rest[..length], true);
                            length
                        }
                        None => {
                            self.keep(&mut out, &rest[..2], false);
                            2
                        }
                    },
                    Some(c) if c.is_ascii_punctuation() && !ESCAPED.contains(c) => {
                        self.keep(&mut out, &rest[..2], false);
                        2
                    }
                    Some('\n' | '\r') | None => {
                        self.keep(&mut out, "\\", false);
                        1
                    }
                    Some(c) => {
                        let length = 1 + c.len_utf8();
                        out.push_str(&rest[..length]);
                        length
                    }
                },
                '*' => {
                    let length = rest.len() - rest.trim_start_matches('*').len();
                    let (before, after) = (block[..at].chars().next_back(), rest[length..].chars().next());
                    // Chinese and Japanese have no spaces: `**“你好”**说`.
                    if is_wide(after) && is_punctuation(before) {
                        self.keep(&mut out, "", false);
                    }
                    out.push_str(&rest[..length]);
                    if is_wide(before) && is_punctuation(after) {
                        self.keep(&mut out, "", false);
                    }
                    length
                }
                // A block does not see the definitions of another, and Markdown does not show definitions.
                ']' if rest.starts_with("]:") => {
                    self.keep(&mut out, "]", false);
                    1
                }
                FIRST..=LAST => {
                    self.keep(&mut out, &rest[..c.len_utf8()], false);
                    c.len_utf8()
                }
                c => {
                    out.push(c);
                    c.len_utf8()
                }
            };
            at += length;
        }
        out
    }
}

/// The length of the formula at the beginning of a text; a blank line ends it.
fn formula(text: &str, open: char, unclosed: &mut [bool; 2]) -> Option<usize> {
    let (close, unclosed) = match open {
        '(' => ("\\)", &mut unclosed[0]),
        _ => ("\\]", &mut unclosed[1]),
    };
    if *unclosed {
        return None;
    }
    let Some(length) = text.find(close) else {
        *unclosed = true;
        return None;
    };
    let is_one = !text[..length].contains("\n\n");
    is_one.then_some(length + close.len())
}

fn is_wide(c: Option<char>) -> bool {
    c.is_some_and(|c| u32::from(c) >= 0x2e80 && c.is_alphanumeric())
}

fn is_punctuation(c: Option<char>) -> bool {
    c.is_some_and(|c| !c.is_alphanumeric() && !c.is_whitespace())
}

/// Widens the head of a table to the length of its longest row, because Markdown omits the rest of longer
/// rows.
fn widened(text: String) -> String {
    if !text.contains('|') {
        return text;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out = String::with_capacity(text.len());
    let mut missing = 0;
    for (at, line) in lines.iter().enumerate() {
        let head = at + 1;
        if missing == 0 && lines.get(head).is_some_and(|line| is_delimiter(line)) && line.contains('|') {
            let rows = lines[head + 1..].iter().take_while(|line| !line.trim().is_empty());
            let widest = rows.map(|line| cells(line)).max().unwrap_or(0);
            missing = widest.saturating_sub(cells(lines[head]));
            push_cells(&mut out, line, " |", missing);
        } else if missing > 0 && is_delimiter(line) {
            push_cells(&mut out, line, "---|", missing);
            missing = 0;
        } else {
            out.push_str(line);
        }
    }
    out
}

fn push_cells(out: &mut String, line: &str, cell: &str, count: usize) {
    if count == 0 {
        return out.push_str(line);
    }
    let row = line.trim_end();
    out.push_str(row);
    if !row.ends_with('|') {
        out.push_str(" |");
    }
    out.extend(std::iter::repeat_n(cell, count));
    out.push('\n');
}

fn is_delimiter(line: &str) -> bool {
    line.contains('-')
        && line.contains('|')
        && line.trim().bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' '))
}

/// The number of cells of a row. An escaped bar is not a separator.
fn cells(line: &str) -> usize {
    let line = line.trim();
    let inner = line.strip_prefix('|').unwrap_or(line);
    let inner = inner.strip_suffix('|').filter(|inner| !inner.ends_with('\\')).unwrap_or(inner);
    let mut before = ' ';
    let bars = inner.chars().filter(|c| std::mem::replace(&mut before, *c) != '\\' && *c == '|');
    bars.count() + 1
}
