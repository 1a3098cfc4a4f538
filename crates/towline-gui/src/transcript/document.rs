//! Text that grows, split into blocks that never change once they are closed.
//!
//! Only the last block is open: it is what has to be parsed and laid out again when text arrives. So that it stays
//! small whatever the answer, a block that does not end by itself is cut between lines, and a line that does not end
//! is cut as well.

use std::ops::Range;

use towline_app::document::code::{Inside, Language};

use super::lines::{Fence, is_heading, is_list_item, is_table_row};

/// A block is cut after this many bytes.
pub const MAX_BLOCK_BYTES: usize = 8 << 10;
/// A block is cut after this many lines.
pub const MAX_BLOCK_LINES: usize = 40;
/// A line is cut after this many bytes.
pub const MAX_LINE_BYTES: usize = 2 << 10;

/// What a block is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Markdown, apart from what follows.
    Prose,
    /// Rows of a table; where its two head lines are, for a block that goes on with a table.
    Table {
        /// The head lines' bytes, when the block does not begin with them.
        head: Option<Range<usize>>,
    },
    /// Lines of code, without the fences.
    Code {
        /// Which of the document's fences they are in.
        fence: usize,
        /// What the block begins inside of.
        inside: Inside,
    },
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What it is.
    pub shape: Shape,
}

/// One fenced piece of code.
#[derive(Debug, Clone, PartialEq)]
pub struct Fenced {
    /// The words behind the opening fence.
    pub info: String,
    /// Its language.
    pub language: Language,
    /// The code's bytes in the text, as far as it came.
    pub code: Range<usize>,
    /// Columns that every line begins with for the sake of its surroundings.
    pub indent: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Open {
    Nothing,
    Prose,
    List { after_blank: bool },
    Table { from: usize, head: Option<Range<usize>>, lines: usize },
    Code { fence: Fence, inside: Inside },
}

/// A text and its blocks.
#[derive(Debug)]
pub struct Document {
    text: String,
    blocks: Vec<Block>,
    fences: Vec<Fenced>,
    open: Open,
    /// Where the open block begins.
    open_from: usize,
    /// Lines of the open block.
    open_lines: usize,
    /// Everything before this was split.
    scanned: usize,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            text: String::new(),
            blocks: Vec::new(),
            fences: Vec::new(),
            open: Open::Nothing,
            open_from: 0,
            open_lines: 0,
            scanned: 0,
        }
    }
}

impl Document {
    /// A document of a text that is there already.
    pub fn of(text: &str) -> Self {
        let mut document = Self::default();
        document.push(text);
        document
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) {
        let mut looked = self.text.len();
        self.text.push_str(text);
        loop {
            // Looked at once, and no further than a line may reach.
            let longest = (self.scanned + MAX_LINE_BYTES).min(self.text.len());
            let from = looked.clamp(self.scanned, longest);
            match self.text.as_bytes()[from..longest].iter().position(|byte| *byte == b'\n') {
                Some(at) => self.line(from + at + 1),
                None if longest < self.text.len() => self.cut_line(),
                None => break,
            }
            looked = self.scanned;
        }
    }

    /// All of the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The closed blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The block that more text may still change.
    pub fn open(&self) -> Option<Block> {
        let range = self.open_from..self.text.len();
        if range.is_empty() {
            return None;
        }
        let shape = match &self.open {
            Open::Nothing | Open::Prose | Open::List { .. } => Shape::Prose,
            Open::Table { head, .. } => Shape::Table { head: head.clone() },
            Open::Code { inside, .. } => {
                Shape::Code { fence: self.fences.len().saturating_sub(1), inside: *inside }
            }
        };
        // The mark of a list or a fence that is just being written is not drawn yet.
        Some(Block { range, shape })
    }

    /// A fence of a block.
    pub fn fence(&self, index: usize) -> Option<&Fenced> {
        self.fences.get(index)
    }

    /// The code of a fence, as it is copied.
    pub fn code(&self, index: usize) -> String {
        let Some(fence) = self.fences.get(index) else { return String::new() };
        let open = matches!(self.open, Open::Code { .. }) && index + 1 == self.fences.len();
        let end = if open { self.text.len() } else { fence.code.end };
        let code = self.text.get(fence.code.start..end).unwrap_or_default();
        code.split_inclusive('\n').map(|line| without_indent(line, fence.indent)).collect()
    }

    /// Splits off what there is of a line that is too long.
    fn cut_line(&mut self) {
        let longest = self.text.floor_char_boundary(self.scanned + MAX_LINE_BYTES);
        let piece = &self.text[self.scanned..longest];
        let end = piece.rfind(' ').map_or(longest, |space| self.scanned + space + 1);
        self.line(end);
    }

    /// Takes the line that ends at `end`.
    fn line(&mut self, end: usize) {
        let range = self.scanned..end;
        self.scanned = end;
        let line = self.text[range.clone()].to_owned();
        if let Open::Code { fence, .. } = self.open {
            if fence.is_closed_by(&line) {
                self.close(range.start);
                self.begin(Open::Nothing, end);
            } else {
                if let Some(fenced) = self.fences.last_mut() {
                    fenced.code.end = end;
                }
                self.continued(end);
            }
            return;
        }
        if let Some((fence, info)) = Fence::opening(line.trim_end_matches(['\n', '\r'])) {
            self.close(range.start);
            let language = Language::of(info);
            self.fences.push(Fenced {
                info: info.chars().take(40).collect(),
                language,
                code: end..end,
                indent: fence.indent,
            });
            return self.begin(Open::Code { fence, inside: Inside::Code }, end);
        }
        let is_blank = line.trim().is_empty();
        if is_blank {
            match &mut self.open {
                Open::List { after_blank } => *after_blank = true,
                Open::Nothing | Open::Prose | Open::Table { .. } | Open::Code { .. } => {
                    self.close(end);
                    return self.begin(Open::Nothing, end);
                }
            }
            return self.continued(end);
        }
        let goes_on = match &mut self.open {
            Open::Nothing => false,
            Open::Prose => !is_heading(&line) && !is_table_row(&line),
            Open::List { after_blank } => {
                let inside = line.starts_with("  ") || line.starts_with('\t') || is_list_item(&line);
                let goes_on = if *after_blank { inside } else { !is_heading(&line) };
                *after_blank = false;
                goes_on
            }
            Open::Table { .. } => is_table_row(&line),
            Open::Code { .. } => true,
        };
        if !goes_on {
            self.close(range.start);
            let open = if is_list_item(&line) {
                Open::List { after_blank: false }
            } else if is_table_row(&line) {
                Open::Table { from: range.start, head: None, lines: 0 }
            } else {
                Open::Prose
            };
            self.begin(open, range.start);
        }
        if let Open::Table { lines, .. } = &mut self.open {
            *lines += 1;
        }
        self.continued(end);
        if is_heading(&line) {
            self.close(end);
            self.begin(Open::Nothing, end);
        }
    }

    /// The open block has one more line; it is closed when it is full, and another of its kind follows.
    fn continued(&mut self, end: usize) {
        self.open_lines += 1;
        if self.open_lines < MAX_BLOCK_LINES && end - self.open_from < MAX_BLOCK_BYTES {
            return;
        }
        let next = match self.open.clone() {
            Open::Table { from, head, lines } => {
                let head = head.or_else(|| self.head_lines(from));
                Open::Table { from, head, lines }
            }
            Open::Code { fence, mut inside } => {
                if let Some(fenced) = self.fences.last() {
                    for line in self.text[self.open_from..end].lines() {
                        fenced.language.scan(&mut inside, line, |_, _| {});
                    }
                }
                Open::Code { fence, inside }
            }
            open @ (Open::Nothing | Open::Prose | Open::List { .. }) => open,
        };
        self.close(end);
        self.begin(next, end);
    }

    /// The two lines that make a table one.
    fn head_lines(&self, from: usize) -> Option<Range<usize>> {
        let mut lines = self.text[from..].split_inclusive('\n');
        let length = lines.next()?.len() + lines.next()?.len();
        (length <= 2 * MAX_LINE_BYTES).then_some(from..from + length)
    }

    fn close(&mut self, end: usize) {
        let range = self.open_from..end;
        let shape = match &self.open {
            Open::Nothing | Open::Prose | Open::List { .. } => Shape::Prose,
            Open::Table { head, .. } => Shape::Table { head: head.clone() },
            Open::Code { inside, .. } => {
                Shape::Code { fence: self.fences.len().saturating_sub(1), inside: *inside }
            }
        };
        if !self.text[range.clone()].trim().is_empty() || matches!(shape, Shape::Code { .. }) {
            self.blocks.push(Block { range, shape });
        }
    }

    fn begin(&mut self, open: Open, from: usize) {
        self.open = open;
        self.open_from = from;
        self.open_lines = 0;
    }
}

/// A line without up to `indent` spaces.
pub fn without_indent(line: &str, indent: usize) -> &str {
    let spaces = line.bytes().take(indent).take_while(|byte| *byte == b' ').count();
    &line[spaces..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<(String, &'static str)> {
        let document = Document::of(text);
        let blocks = document.blocks().iter().cloned().chain(document.open());
        blocks
            .map(|block| {
                let shape = match block.shape {
                    Shape::Prose => "prose",
                    Shape::Table { .. } => "table",
                    Shape::Code { .. } => "code",
                };
                (document.text()[block.range].trim_end().to_owned(), shape)
            })
            .collect()
    }

    #[test]
    fn blocks_are_what_they_look_like() {
        let text =
            "# T\nwords\nmore\n\n- a\n\n  b\n- c\n\nend\n| x |\n|---|\n| 1 |\n```rust\nfn a() {}\n```\nlast";
        let expected = [
            ("# T", "prose"),
            ("words\nmore", "prose"),
            ("- a\n\n  b\n- c", "prose"),
            ("end", "prose"),
            ("| x |\n|---|\n| 1 |", "table"),
            ("fn a() {}", "code"),
            ("last", "prose"),
        ];
        assert_eq!(shapes(text), expected.map(|(text, shape)| (text.to_owned(), shape)));
    }

    #[test]
    fn pieces_split_as_the_whole_does() {
        let text =
            "a *b*\n\n```py\nx = 1\n\n\"\"\"\ny\n```\n1. one\n2. two\n\nend é 日本\n| a |\n|---|\n| 1 |\nx\n";
        let whole = Document::of(text);
        for size in 1..9 {
            let mut pieces = Document::default();
            let characters: Vec<char> = text.chars().collect();
            for piece in characters.chunks(size) {
                pieces.push(&piece.iter().collect::<String>());
            }
            assert_eq!(pieces.blocks(), whole.blocks(), "{size}");
            assert_eq!(pieces.open(), whole.open());
        }
    }

    #[test]
    fn no_block_is_larger_than_its_limit_and_nothing_is_lost() {
        let fence = format!("```\n{}", "code line\n".repeat(5_000));
        let table = format!("| a |\n|---|\n{}", "| b |\n".repeat(500));
        for text in [
            "x".repeat(1 << 20),
            "- ".repeat(100_000),
            "> ".repeat(100_000),
            fence,
            table,
            "日".repeat(9_000),
        ] {
            let document = Document::of(&text);
            let mut at = None;
            for block in document.blocks().iter().cloned().chain(document.open()) {
                assert!(block.range.len() <= MAX_BLOCK_BYTES + MAX_LINE_BYTES, "{:?}", block.range);
                assert!(at.is_none_or(|at| at == block.range.start), "a gap before {:?}", block.range);
                at = Some(block.range.end);
            }
            assert_eq!(at, Some(text.len()));
        }
    }

    #[test]
    fn code_is_copied_whole() {
        let mut document = Document::of("- item\n  ```sh\n  a\n    b\n");
        assert_eq!(document.code(0), "a\n  b\n");
        document.push("  c\n  ```\nafter");
        assert_eq!(document.code(0), "a\n  b\nc\n");
        assert_eq!(document.fence(0).map(|fence| fence.info.as_str()), Some("sh"));
    }
}
