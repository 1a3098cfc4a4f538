//! Renders an answer as lines while it streams.
//!
//! The document of [`towline_app`] parses the text; this module turns its blocks into lines. A block is
//! written when it is closed, and shown as plain text until then; lines of code are written as they arrive.
//! Nothing is ever left out.

#[cfg(test)]
mod answers;
mod code;
mod rich;
mod table;

use towline_app::document::{Block, Depth, Document, Piece, Rich, Shape};
use towline_app::text::safe;

use crate::term::text::{Color, Line, Style, solid, width};
use code::Code;
use table::Table;

/// Maximum amount of unfinished text that is shown, from its end.
const PENDING_BYTES: usize = 4 << 10;
/// Number of lines of unfinished text that are shown.
const PENDING_LINES: usize = 8;
const RULE_COLUMNS: usize = 40;

/// Turns an answer into lines as it arrives.
#[derive(Debug)]
pub struct Markdown {
    document: Document,
    /// Number of closed blocks that were written.
    written_blocks: usize,
    /// Everything before this byte was written.
    written: usize,
    /// The open fence, and its highlighter.
    code: Option<(usize, Code)>,
    table: Table,
    columns: usize,
}

impl Default for Markdown {
    fn default() -> Self {
        Self {
            document: Document::default(),
            written_blocks: 0,
            written: 0,
            code: None,
            table: Table::default(),
            columns: 80,
        }
    }
}

impl Markdown {
    /// Maximum width of a table, in columns.
    pub fn columns(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// Takes a piece of the answer, and appends the complete lines.
    pub fn push(&mut self, text: &str, lines: &mut Vec<Line>) {
        self.document.push(text);
        self.closed(lines);
        let open = self.document.open().filter(|block| matches!(block.shape, Shape::Code { .. }));
        if let Some(mut block) = open {
            let code = &self.document.text()[block.range.clone()];
            block.range.end = block.range.start + code.rfind('\n').map_or(0, |at| at + 1);
            if !block.range.is_empty() {
                self.block(&block, lines);
            }
        }
    }

    /// Writes the blocks that were closed.
    fn closed(&mut self, lines: &mut Vec<Line>) {
        while let Some(block) = self.document.blocks().get(self.written_blocks).cloned() {
            self.written_blocks += 1;
            self.block(&block, lines);
        }
    }

    /// Ends the answer: unfinished text is rendered unchanged.
    pub fn finish(&mut self, lines: &mut Vec<Line>) {
        self.document.finish();
        self.closed(lines);
        if let Some(block) = self.document.open() {
            self.block(&block, lines);
        }
        self.fences(self.document.text().len(), lines);
        *self = Self { columns: self.columns, ..Self::default() };
    }

    /// Marks the beginning of the pending text as written: it is above, as plain text. The length is given in
    /// non-blank characters. Blocks that only make sense as a whole (tables), and text longer than its shown
    /// part, are written again.
    pub fn left_screen(&mut self, characters: usize) {
        let text = &self.document.text()[self.written..];
        let is_table = self.document.open().is_some_and(|block| matches!(block.shape, Shape::Table { .. }));
        let is_whole =
            text.len() <= PENDING_BYTES && text.trim_matches('\n').split('\n').count() <= PENDING_LINES;
        if characters == 0 || is_table || !is_whole {
            return;
        }
        let mut left = characters;
        let end = text.char_indices().find_map(|(at, c)| {
            let ends_line = c == '\n' || (c == '\r' && text[at + 1..].starts_with('\n'));
            let shown = if ends_line { 0 } else { solid(&safe::row(c.encode_utf8(&mut [0; 4]))) };
            left = left.saturating_sub(shown);
            (left == 0).then_some(at + c.len_utf8())
        });
        let rest = &text[end.unwrap_or(text.len())..];
        // The blank between two words is not shown at the end of a row.
        let rest = if self.code.is_some() { rest } else { rest.trim_start_matches(' ') };
        self.written = self.document.text().len() - rest.len();
    }

    /// The unfinished text, without styles.
    pub fn pending(&self) -> Vec<Line> {
        let text = self.document.text();
        let start = self.written.max(text.len().saturating_sub(PENDING_BYTES));
        let rest = text[text.ceil_char_boundary(start)..].trim_matches('\n');
        if rest.is_empty() {
            return vec![];
        }
        let is_code = self.document.open().is_some_and(|block| matches!(block.shape, Shape::Code { .. }));
        let count = rest.split('\n').count();
        let last = rest.split('\n').skip(count.saturating_sub(PENDING_LINES));
        let one = |line: &str| {
            let line = Line::styled(line.strip_suffix('\r').unwrap_or(line), Style::PLAIN);
            if is_code { line } else { line.in_words(Line::default()) }
        };
        last.map(one).collect()
    }

    /// The lines that belong to no block: those that open and close code.
    fn fences(&mut self, until: usize, lines: &mut Vec<Line>) {
        let mut at = self.written;
        for line in self.document.text().get(at..until).unwrap_or_default().split_inclusive('\n') {
            if !line.trim().is_empty() {
                lines.extend(self.blank_line(at));
                lines.push(Line::styled(line.trim_end_matches(['\n', '\r']), Style::DIM));
            }
            at += line.len();
        }
        self.written = self.written.max(until);
    }

    /// The blank line before this position in the answer.
    fn blank_line(&self, at: usize) -> Option<Line> {
        let is_begun = !self.document.text().get(..at)?.trim_start().is_empty();
        (is_begun && self.document.is_apart(at)).then(Line::default)
    }

    fn block(&mut self, block: &Block, lines: &mut Vec<Line>) {
        if self.written <= block.range.start {
            self.fences(block.range.start, lines);
            if !matches!(block.shape, Shape::Code { .. }) {
                lines.extend(self.blank_line(block.range.start));
            }
        }
        let from = self.written;
        self.written = block.range.end.max(from);
        match &block.shape {
            Shape::Code { fence, .. } => self.code(*fence, from, block.range.end, lines),
            Shape::Table { head } => {
                for piece in self.document.pieces(block) {
                    match piece {
                        Piece::Table { rows, align } => {
                            self.table.push(&rows, &align, head.is_some(), self.columns, lines);
                        }
                        Piece::Text { .. } | Piece::Code { .. } | Piece::Rule => self.piece(piece, lines),
                    }
                }
            }
            Shape::Prose | Shape::Item | Shape::Formula => {
                let rest = Block { range: from.max(block.range.start)..block.range.end, ..block.clone() };
                for (number, piece) in self.document.pieces(&rest).into_iter().enumerate() {
                    if number > 0 && depth(&piece).is_apart {
                        lines.push(Line::default());
                    }
                    self.piece(piece, lines);
                }
            }
        }
    }

    /// Lines of a fence; the highlighter's state continues from line to line.
    fn code(&mut self, index: usize, from: usize, until: usize, lines: &mut Vec<Line>) {
        let Some(fenced) = self.document.fence(index) else { return };
        if self.code.as_ref().is_none_or(|(open, _)| *open != index) {
            self.code = Some((index, Code::new(&fenced.info)));
        }
        if let Some((_, code)) = &mut self.code {
            let text = self.document.text().get(from..until).unwrap_or_default();
            lines.extend(text.lines().map(|line| {
                let mut shown = quote(fenced.quotes());
                shown.append(code.line(fenced.line(line)));
                shown
            }));
        }
    }

    fn piece(&mut self, piece: Piece, lines: &mut Vec<Line>) {
        match piece {
            Piece::Text { rich, heading, mark, depth } => text(&rich, heading, mark.as_deref(), depth, lines),
            Piece::Code { text, info, depth } => {
                let mut code = Code::new(&info);
                lines.extend(text.split('\n').map(|line| {
                    let mut shown = quote(depth.quotes.into());
                    shown.append(code.line(line));
                    shown
                }));
            }
            Piece::Rule => {
                let rule = "─".repeat(self.columns.saturating_sub(1).min(RULE_COLUMNS));
                lines.push(Line::styled(&rule, Style::DIM));
            }
            Piece::Table { rows, align } => self.table.push(&rows, &align, false, self.columns, lines),
        }
    }
}

fn depth(piece: &Piece) -> Depth {
    match piece {
        Piece::Text { depth, .. } | Piece::Code { depth, .. } => *depth,
        Piece::Rule | Piece::Table { .. } => Depth::default(),
    }
}

fn quote(depth: usize) -> Line {
    Line::styled(&"│ ".repeat(depth), Style::DIM)
}

/// A paragraph, a heading or an item: the mark before its first line, the other lines indented by the same
/// width.
fn text(rich: &Rich, heading: u8, mark: Option<&str>, depth: Depth, lines: &mut Vec<Line>) {
    let base = match heading {
        0 => Style { italic: depth.quotes > 0, ..Style::PLAIN },
        level => Style { bold: true, underline: level == 1, ..Style::color(Color::Cyan) },
    };
    let indent = "  ".repeat(usize::from(depth.lists) - usize::from(mark.is_some() && depth.lists > 0));
    let mut first = quote(depth.quotes.into());
    first.push(&indent, Style::PLAIN);
    let mut hanging = first.clone();
    if let Some(mark) = mark {
        first.push(mark, Style::color(Color::Cyan));
        first.push(" ", Style::PLAIN);
        hanging.push(&" ".repeat(width(mark) + 1), Style::PLAIN);
    }
    for (number, line) in rich::lines(rich, base).into_iter().enumerate() {
        let mut shown = if number == 0 { first.clone() } else { hanging.clone() };
        shown.append(line);
        lines.push(shown.in_words(hanging.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Vec<String> {
        let mut markdown = Markdown::default();
        let mut lines = vec![];
        markdown.push(text, &mut lines);
        markdown.finish(&mut lines);
        lines.iter().map(Line::text).collect()
    }

    #[test]
    fn pieces_become_lines() {
        for (given, shown) in [
            ("# Title #", &["Title"][..]),
            ("#hashtag", &["#hashtag"]),
            ("- one\n- two\n  more\n  * [x] done", &["• one", "• two", "  more", "  ☑ done"]),
            ("12) twelve\n13) next", &["12) twelve", "13) next"]),
            ("> > said\n> > so", &["│ │ said", "│ │ so"]),
            ("---", &["────────────────────────────────────────"]),
            ("**bold** text\nsecond", &["bold text", "second"]),
            ("a\n\n\nb\n\n- c\n\n  d\n", &["a", "", "b", "", "• c", "", "  d"]),
            ("-5 degrees\n1986. was", &["-5 degrees", "1986. was"]),
            (r"set \{1\} \( a*b*c \)", &[r"set \{1\} \( a*b*c \)"]),
            ("\\[\nx_1 * y_1 * z\n\\]", &["\\[", "x_1 * y_1 * z", "\\]"]),
            ("code:\n\n    rm *.tmp *.log", &["code:", "", "rm *.tmp *.log"]),
        ] {
            assert_eq!(render(given), shown, "{given}");
        }
    }

    #[test]
    fn what_left_the_screen_is_not_written_again() {
        for (text, gone, shown) in [
            ("one two three", "one tw", "o three"),
            ("one *two* - three", "one *two*", "- three"),
            ("first\r\nsecond 你好 \u{7}\rx", "first\nsecond 你好 ^G^M", "x"),
            ("one", "one", ""),
            ("| a | b |\n|---|---|\n| c | d |", "| a |", "a │ b"),
            (&"word ".repeat(2_000), "word", "word word"),
        ] {
            let mut markdown = Markdown::default();
            let mut lines = vec![];
            markdown.push(text, &mut lines);
            assert!(lines.is_empty(), "{text}");
            markdown.left_screen(solid(gone));
            markdown.finish(&mut lines);
            let rest = lines.first().map_or_else(String::new, Line::text);
            let is_long = text.len() > PENDING_BYTES;
            assert!(if is_long { rest.starts_with(shown) } else { rest == shown }, "{text}: {rest}");
        }
    }

    #[test]
    fn code_is_left_as_it_is_wherever_it_stands() {
        let text = "```rust\nlet x = \"**a**\"; // y\n\n# no heading\n```\n# heading";
        assert_eq!(
            render(text),
            ["```rust", "let x = \"**a**\"; // y", "", "# no heading", "```", "heading"]
        );
        let text = "> ```py\n> # a\n> ```\n1. b\n\n   ```sh\n   # c *d* *e*\n   ```\n\n````\n```\n````\n";
        assert_eq!(
            render(text),
            [
                "> ```py",
                "│ # a",
                "> ```",
                "1. b",
                "",
                "   ```sh",
                "# c *d* *e*",
                "   ```",
                "",
                "````",
                "```",
                "````"
            ]
        );
    }

    #[test]
    fn lines_of_code_come_as_they_end() {
        let mut markdown = Markdown::default();
        let mut lines = vec![];
        markdown.push("```\none\ntw", &mut lines);
        assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), ["```", "one"]);
        assert_eq!(markdown.pending().iter().map(Line::text).collect::<Vec<_>>(), ["tw"]);
        markdown.push("o\n```", &mut lines);
        markdown.finish(&mut lines);
        assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), ["```", "one", "two", "```"]);
    }

    #[test]
    fn tables_are_aligned() {
        let text = "| name | 数 |\n|:--|--:|\n| a | 1 |\n| 你好 | 22 |\nafter";
        assert_eq!(render(text), ["name │ 数", "─────┼───", "a    │  1", "你好 │ 22", "after"]);
        assert_eq!(render("a | b\nno table"), ["a | b", "no table"]);
        let rows = format!("| n |\n|---|\n{}", "| x |\n".repeat(100));
        let shown = render(&rows);
        assert_eq!((shown.len(), shown.iter().filter(|line| line.trim() == "n").count()), (102, 1));
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let text = "# T\r\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```py\nx = 'y'\n```\n- **é你**\n\\[\nx\n\\]\n> ```\n> q\nend";
        let whole = render(text);
        let mut markdown = Markdown::default();
        let mut lines = vec![];
        for c in text.chars() {
            markdown.push(c.encode_utf8(&mut [0; 4]), &mut lines);
        }
        markdown.finish(&mut lines);
        assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), whole);
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
        for mark in ["`", "*", "_", "[", "![", "](", "**a_", "<", "|", "`a``b", "~~", "\\(", "$", "- > "] {
            let text = mark.repeat((1 << 20) / mark.len());
            let start = std::time::Instant::now();
            render(&text);
            assert!(start.elapsed().as_secs() < 20, "{mark}");
        }
    }
}
