//! Markdown while it streams: a line is rendered when it is complete, and shown plainly until then.
//!
//! The cut is the line, not the block: models write a paragraph as one line, so nothing is gained by waiting for more,
//! and each line costs the same however long the answer is. Only a table waits for its end, for the widths of its
//! columns. Emphasis that spans lines is therefore shown with its marks; nothing is ever left out.

mod code;
mod inline;
mod table;

use crate::repl::term::text::{Color, Line, Style};
use code::Code;
use table::Table;

/// An unfinished line of more bytes is rendered in parts.
const LINE_BYTES: usize = 4 << 10;
/// Of an unfinished line, this much of its end is shown.
const PENDING_BYTES: usize = 4 << 10;
/// Deeper quotes are not told apart.
const QUOTE_DEPTH: usize = 8;
const RULE_COLUMNS: usize = 40;

/// Where the next line stands.
#[derive(Debug, Default)]
enum Place {
    #[default]
    Text,
    /// In a fence that a line of at least so many of these marks ends.
    Fence { mark: char, count: usize, code: Code },
    /// In what may be a table.
    Table(Table),
}

/// Turns an answer into lines as it comes.
#[derive(Debug)]
pub struct Markdown {
    line: String,
    place: Place,
    columns: usize,
}

impl Default for Markdown {
    fn default() -> Self {
        Self { line: String::new(), place: Place::Text, columns: 80 }
    }
}

impl Markdown {
    /// The columns that a table may take.
    pub fn columns(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// Takes a piece of the answer, gives the lines that are complete.
    pub fn push(&mut self, text: &str, lines: &mut Vec<Line>) {
        for piece in text.split_inclusive('\n') {
            for part in parts(piece) {
                self.line.push_str(part);
                if let Some(rest) = self.line.strip_suffix('\n') {
                    let length = rest.strip_suffix('\r').unwrap_or(rest).len();
                    let mut line = std::mem::take(&mut self.line);
                    line.truncate(length);
                    self.complete(&line, lines);
                } else if self.line.len() >= LINE_BYTES {
                    let cut = self.line.rfind(' ').filter(|cut| *cut > LINE_BYTES / 2);
                    let rest = self.line.split_off(cut.map_or(self.line.len(), |cut| cut + 1));
                    let line = std::mem::replace(&mut self.line, rest);
                    self.complete(&line, lines);
                }
            }
        }
    }

    /// The answer is over: what is unfinished is rendered as it is.
    pub fn finish(&mut self, lines: &mut Vec<Line>) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.complete(line.strip_suffix('\r').unwrap_or(&line), lines);
        }
        self.end_table(lines);
        self.place = Place::Text;
    }

    /// What is unfinished, plainly.
    pub fn pending(&self) -> Vec<Line> {
        let mut lines = match &self.place {
            Place::Table(table) => table.pending(),
            Place::Text | Place::Fence { .. } => vec![],
        };
        if !self.line.is_empty() {
            let start = self.line.ceil_char_boundary(self.line.len().saturating_sub(PENDING_BYTES));
            let line = &self.line[start..];
            lines.push(Line::styled(line.strip_suffix('\r').unwrap_or(line), Style::PLAIN));
        }
        lines
    }

    fn complete(&mut self, line: &str, lines: &mut Vec<Line>) {
        match &mut self.place {
            Place::Fence { mark, count, code } => {
                let trimmed = line.trim();
                if trimmed.len() >= *count && trimmed.chars().all(|c| c == *mark) {
                    self.place = Place::Text;
                    lines.push(Line::styled(line, Style::DIM));
                } else {
                    lines.push(code.line(line));
                }
                return;
            }
            Place::Table(table) => {
                if table.takes(line) {
                    table.push(line, self.columns, lines);
                    return;
                }
                self.end_table(lines);
            }
            Place::Text => {}
        }
        if let Some((mark, count, info)) = fence(line) {
            self.place = Place::Fence { mark, count, code: Code::new(info) };
            lines.push(Line::styled(line, Style::DIM));
        } else if table::may_begin(line) {
            self.place = Place::Table(Table::new(line));
        } else {
            lines.push(text_line(line, self.columns));
        }
    }

    fn end_table(&mut self, lines: &mut Vec<Line>) {
        if let Place::Table(table) = &mut self.place {
            for line in table.finish(self.columns) {
                match line {
                    table::Rendered::Row(line) => lines.push(line),
                    table::Rendered::NoTable(line) => lines.push(text_line(&line, self.columns)),
                }
            }
            self.place = Place::Text;
        }
    }
}

/// Pieces that are never much longer than a line may be.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = rest.ceil_char_boundary(LINE_BYTES.min(rest.len()));
        let (part, after) = rest.split_at(cut);
        rest = after;
        Some(part)
    })
}

/// The mark, its count and the words after it, if the line opens a fence.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let trimmed = line.trim_start();
    let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = trimmed.trim_start_matches(mark);
    let count = trimmed.len() - info.len();
    (count >= 3 && !(mark == '`' && info.contains('`'))).then_some((mark, count, info.trim()))
}

/// A line of text: quote, heading, rule, list item or paragraph.
fn text_line(line: &str, columns: usize) -> Line {
    let mut shown = Line::default();
    let mut rest = line;
    let mut depth = 0;
    while depth < QUOTE_DEPTH
        && let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('>')
    {
        shown.push("│ ", Style::DIM);
        rest = quoted.strip_prefix(' ').unwrap_or(quoted);
        depth += 1;
    }
    let base = if depth > 0 { Style { italic: true, ..Style::PLAIN } } else { Style::PLAIN };
    let text = rest.trim_start_matches([' ', '\t']);
    let indent = &rest[..rest.len() - text.len()];
    if let Some((level, title)) = heading(text) {
        let style = Style { bold: true, underline: level == 1, ..Style::color(Color::Cyan) };
        shown.append(inline::render(title, style));
        return shown;
    }
    if is_rule(text) {
        shown.push(&"─".repeat(columns.saturating_sub(1).min(RULE_COLUMNS)), Style::DIM);
        return shown;
    }
    shown.push(indent, Style::PLAIN);
    let text = match item(text) {
        Some((marker, text)) => {
            shown.push(marker, Style::color(Color::Cyan));
            shown.push(" ", Style::PLAIN);
            match text.get(..4) {
                Some("[ ] ") => shown.push("☐ ", Style::PLAIN),
                Some("[x] " | "[X] ") => shown.push("☑ ", Style::PLAIN),
                Some(_) | None => {}
            }
            text.strip_prefix("[ ] ")
                .or_else(|| text.strip_prefix("[x] "))
                .or_else(|| text.strip_prefix("[X] "))
                .unwrap_or(text)
        }
        None => text,
    };
    shown.append(inline::render(text, base));
    shown
}

fn heading(text: &str) -> Option<(usize, &str)> {
    let title = text.trim_start_matches('#');
    let level = text.len() - title.len();
    let title = title.strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| (level, title.trim().trim_end_matches(" #")))
}

fn is_rule(text: &str) -> bool {
    let mut marks = text.chars().filter(|c| *c != ' ');
    let Some(mark) = marks.next().filter(|c| matches!(c, '-' | '*' | '_')) else { return false };
    marks.clone().count() >= 2 && marks.all(|c| c == mark)
}

/// The marker to show for a list item, and its text.
fn item(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix(['-', '*', '+']) {
        return rest.strip_prefix(' ').map(|rest| ("•", rest));
    }
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - after.len();
    let rest = after.strip_prefix(['.', ')'])?.strip_prefix(' ')?;
    (1..=9).contains(&digits).then(|| (&text[..=digits], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Vec<String> {
        let mut markdown = Markdown::default();
        let mut lines = vec![];
        markdown.push(text, &mut lines);
        markdown.finish(&mut lines);
        lines.iter().map(Line::to_plain).collect()
    }

    #[test]
    fn lines_are_rendered() {
        for (given, shown) in [
            ("# Title #", "Title"),
            ("#hashtag", "#hashtag"),
            ("- one", "• one"),
            ("  * [x] done", "  • ☑ done"),
            ("12) twelve", "12) twelve"),
            ("> > said", "│ │ said"),
            ("---", "────────────────────────────────────────"),
            ("**bold** text", "bold text"),
            ("-5 degrees", "-5 degrees"),
            ("1986. was", "1986. was"),
        ] {
            assert_eq!(render(given), [shown], "{given}");
        }
    }

    #[test]
    fn a_fence_is_left_as_it_is() {
        let text = "```rust\nlet x = \"**a**\"; // y\n\n# no heading\n```\n# heading";
        assert_eq!(
            render(text),
            ["```rust", "let x = \"**a**\"; // y", "", "# no heading", "```", "heading"]
        );
    }

    #[test]
    fn tables_are_aligned() {
        let text = "| name | 数 |\n|:--|--:|\n| a | 1 |\n| 你好 | 22 |\nafter";
        assert_eq!(render(text), ["name │ 数", "─────┼───", "a    │  1", "你好 │ 22", "after",]);
        assert_eq!(render("a | b\nno table"), ["a | b", "no table"]);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let text = "# T\r\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```py\nx = 'y'\n```\n- **é你**\nend";
        let whole = render(text);
        let mut markdown = Markdown::default();
        let mut lines = vec![];
        for c in text.chars() {
            markdown.push(c.encode_utf8(&mut [0; 4]), &mut lines);
        }
        markdown.finish(&mut lines);
        assert_eq!(lines.iter().map(Line::to_plain).collect::<Vec<_>>(), whole);
    }

    #[test]
    fn nothing_is_lost_of_an_endless_line() {
        let word = "слово ";
        let text = word.repeat(100_000);
        let shown = render(&text).concat();
        assert_eq!(shown.matches("слово").count(), 100_000);
        let fence = format!("```\n{}", "x".repeat(1 << 20));
        assert_eq!(render(&fence).concat().matches('x').count(), 1 << 20);
    }

    #[test]
    fn hostile_marks_stay_linear() {
        for mark in ["`", "*", "_", "[", "![", "](", "**a_", "<", "|", "`a``b", "~~"] {
            let text = mark.repeat((1 << 20) / mark.len());
            let start = std::time::Instant::now();
            render(&text);
            assert!(start.elapsed().as_secs() < 20, "{mark}");
        }
    }
}
