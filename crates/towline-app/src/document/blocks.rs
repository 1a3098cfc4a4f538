//! Splits growing text into blocks that never change once they are closed.
//!
//! Only the last block is open, so only it has to be parsed and laid out again when text arrives. To keep it
//! small for any answer, an endless block is split between lines, and an endless line is split too.

use std::ops::Range;

use super::code::{Language, LineState};
use super::lines::{Fence, begins_list, formula, indented, is_heading, is_list_item, is_table_row};

/// A block is split after this many bytes.
pub const MAX_BLOCK_BYTES: usize = 8 << 10;
/// A block is split after this many lines.
pub const MAX_BLOCK_LINES: usize = 40;
/// A line is split after this many bytes.
pub const MAX_LINE_BYTES: usize = 2 << 10;
/// Number of characters that are kept of the info string after a fence.
const MAX_INFO_CHARS: usize = 40;

/// The kind of a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Markdown, except the kinds below.
    Prose,
    /// An item of a list, with everything in it.
    Item,
    /// A formula between marks on separate lines.
    Formula,
    /// Rows of a table, with the position of its two head lines if the block continues a table.
    Table {
        /// The bytes of the head lines, if the block does not begin with them.
        head: Option<Range<usize>>,
    },
    /// Lines of code, without the fences.
    Code {
        /// The index of the fence in the document.
        fence: usize,
        /// The state in which the block begins.
        inside: LineState,
    },
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Its kind.
    pub shape: Shape,
}

/// One fenced piece of code.
#[derive(Debug, Clone, PartialEq)]
pub struct Fenced {
    /// The info string after the opening fence.
    pub info: String,
    /// Its language.
    pub language: Language,
    /// The bytes of the code in the text, as far as it has arrived.
    pub code: Range<usize>,
    fence: Fence,
}

impl Fenced {
    /// A line of the code without its newline, and without the prefixes of quotes and lists.
    pub fn line<'a>(&self, line: &'a str) -> &'a str {
        let line = line.trim_end_matches(['\n', '\r']);
        self.fence.inner(line).unwrap_or(line)
    }

    /// The number of block quotes around it.
    pub fn quotes(&self) -> usize {
        self.fence.quotes
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
enum Open {
    #[default]
    Nothing,
    Prose,
    Item {
        indent: usize,
        after_blank: bool,
    },
    Formula {
        close: &'static str,
    },
    Table {
        from: usize,
        head: Option<Range<usize>>,
    },
    Code {
        fence: Fence,
        inside: LineState,
    },
}

/// A text and its blocks.
#[derive(Debug, Default)]
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

impl Document {
    /// A document from a complete text.
    pub fn of(text: &str) -> Self {
        let mut document = Self::default();
        document.push(text);
        document.finish();
        document
    }

    /// Ends the text: an incomplete line counts as a line. More text may follow later if an answer is
    /// resumed.
    pub fn finish(&mut self) {
        if self.scanned < self.text.len() {
            self.line(self.text.len());
        }
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) {
        let mut end = self.text.len();
        self.text.push_str(text);
        loop {
            // Inspected once, and only up to the maximum length of a line.
            let longest = (self.scanned + MAX_LINE_BYTES).min(self.text.len());
            let from = end.clamp(self.scanned, longest);
            match self.text.as_bytes()[from..longest].iter().position(|byte| *byte == b'\n') {
                Some(at) => self.line(from + at + 1),
                None if longest < self.text.len() => self.cut_line(),
                None => break,
            }
            end = self.scanned;
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

    /// The block that more text may still change. A closing fence is not part of it.
    pub fn open(&self) -> Option<Block> {
        let mut range = self.open_from..self.text.len();
        if let Open::Code { fence, .. } = self.open
            && self.begins_line(self.scanned)
            && fence.is_closed_by(&self.text[self.scanned..])
        {
            range.end = self.scanned;
        }
        (!range.is_empty()).then(|| Block { range, shape: self.shape() })
    }

    fn shape(&self) -> Shape {
        match &self.open {
            Open::Nothing | Open::Prose => Shape::Prose,
            Open::Item { .. } => Shape::Item,
            Open::Formula { .. } => Shape::Formula,
            Open::Table { head, .. } => Shape::Table { head: head.clone() },
            Open::Code { inside, .. } => {
                Shape::Code { fence: self.fences.len().saturating_sub(1), inside: *inside }
            }
        }
    }

    /// How many fences were opened.
    pub fn fences(&self) -> usize {
        self.fences.len()
    }

    /// A fence of a block.
    pub fn fence(&self, index: usize) -> Option<&Fenced> {
        self.fences.get(index)
    }

    /// The code of a fence, for copying.
    pub fn code(&self, index: usize) -> String {
        let Some(fenced) = self.fences.get(index) else { return String::new() };
        let is_open = matches!(self.open, Open::Code { .. }) && index + 1 == self.fences.len();
        let end = if is_open {
            self.open().map_or(fenced.code.end, |open| open.range.end)
        } else {
            fenced.code.end
        };
        let code = self.text.get(fenced.code.start..end).unwrap_or_default();
        code.split_inclusive('\n')
            .flat_map(|line| [fenced.line(line), if line.ends_with('\n') { "\n" } else { "" }])
            .collect()
    }

    /// The line that would close an open code block at the end of the text.
    pub fn closing_fence(&self) -> Option<String> {
        match self.open {
            Open::Code { fence, .. } => Some(fence.closing()),
            Open::Nothing | Open::Prose | Open::Item { .. } | Open::Formula { .. } | Open::Table { .. } => {
                None
            }
        }
    }

    /// Whether there is a blank line before this position in the text.
    pub fn is_apart(&self, at: usize) -> bool {
        is_apart(&self.text, at)
    }

    /// Whether a line begins at this position.
    pub(super) fn begins_line(&self, at: usize) -> bool {
        at == 0 || self.text.as_bytes().get(at - 1) == Some(&b'\n')
    }

    /// Splits a line that is too long.
    fn cut_line(&mut self) {
        let longest = self.text.floor_char_boundary(self.scanned + MAX_LINE_BYTES);
        let piece = &self.text[self.scanned..longest];
        let end = piece.rfind(' ').map_or(longest, |space| self.scanned + space + 1);
        self.line(end);
    }

    /// Takes the line, or part of a line, that ends at `end`.
    fn line(&mut self, end: usize) {
        let from = self.scanned;
        self.scanned = end;
        if !self.begins_line(from) {
            return self.continued(end);
        }
        let line = &self.text[from..end];
        if let Open::Code { fence, .. } = self.open {
            if fence.is_closed_by(line) {
                self.close(from);
                return self.begin(Open::Nothing, end);
            }
            if fence.inner(line).is_some() {
                return self.continued(end);
            }
            self.close(from);
            self.begin(Open::Nothing, from);
        }
        let line = self.text[from..end].to_owned();
        let is_blank = line.trim().is_empty();
        if let Open::Formula { close } = self.open {
            if !is_blank {
                self.continued(end);
                if line.contains(close) {
                    self.close(end);
                    self.begin(Open::Nothing, end);
                }
                return;
            }
        } else if let Some(opening) = Fence::opening(&line) {
            self.close(from);
            if opening.marked > 0 {
                self.begin(Open::Item { indent: 0, after_blank: false }, from);
                self.close(from + opening.marked);
            }
            self.fences.push(Fenced {
                info: opening.info.chars().take(MAX_INFO_CHARS).collect(),
                language: Language::of(opening.info),
                code: end..end,
                fence: opening.fence,
            });
            return self.begin(Open::Code { fence: opening.fence, inside: LineState::Code }, end);
        }
        if is_blank {
            if let Open::Item { after_blank, .. } = &mut self.open {
                *after_blank = true;
                return self.continued(end);
            }
            self.close(end);
            return self.begin(Open::Nothing, end);
        }
        let begins_formula = formula(&line);
        if begins_formula.is_some() || !self.continues(&line) {
            self.close(from);
            let open = if let Some(close) = begins_formula {
                Open::Formula { close }
            } else if is_list_item(&line) {
                Open::Item { indent: indented(&line).0, after_blank: false }
            } else if is_table_row(&line) {
                Open::Table { from, head: None }
            } else {
                Open::Prose
            };
            self.begin(open, from);
        }
        self.continued(end);
        if is_heading(&line) && self.open == Open::Prose {
            self.close(end);
            self.begin(Open::Nothing, end);
        }
    }

    /// Whether this line, which is not blank, belongs to the open block.
    fn continues(&mut self, line: &str) -> bool {
        match &mut self.open {
            Open::Nothing => false,
            Open::Prose => !is_heading(line) && !is_table_row(line) && !begins_list(line),
            Open::Item { indent, after_blank } => {
                let is_deeper = indented(line).0 > *indent;
                let after_blank = std::mem::take(after_blank);
                is_deeper || !(after_blank || is_list_item(line) || is_heading(line) || is_table_row(line))
            }
            Open::Table { .. } => is_table_row(line),
            Open::Formula { .. } | Open::Code { .. } => true,
        }
    }

    /// Adds a line to the open block; a full block is closed, and another one of its kind follows.
    fn continued(&mut self, end: usize) {
        if self.open == Open::Nothing {
            self.open = Open::Prose;
        }
        if let (Open::Code { .. }, Some(fenced)) = (&self.open, self.fences.last_mut()) {
            fenced.code.end = end;
        }
        self.open_lines += 1;
        if self.open_lines < MAX_BLOCK_LINES && end - self.open_from < MAX_BLOCK_BYTES {
            return;
        }
        let next = match self.open.clone() {
            Open::Table { from, head } => {
                let head = head.or_else(|| self.head_lines(from));
                Open::Table { from, head }
            }
            Open::Code { fence, mut inside } => {
                if let Some(fenced) = self.fences.last() {
                    for line in self.text[self.open_from..end].lines() {
                        inside = fenced.language.pass(inside, fenced.line(line));
                    }
                }
                Open::Code { fence, inside }
            }
            open @ (Open::Nothing | Open::Prose | Open::Item { .. } | Open::Formula { .. }) => open,
        };
        self.close(end);
        self.begin(next, end);
    }

    /// The two head lines of a table.
    fn head_lines(&self, from: usize) -> Option<Range<usize>> {
        let mut lines = self.text[from..].split_inclusive('\n');
        let length = lines.next()?.len() + lines.next()?.len();
        (length <= 2 * MAX_LINE_BYTES).then_some(from..from + length)
    }

    fn close(&mut self, end: usize) {
        let range = self.open_from..end;
        let shape = self.shape();
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

/// Whether there is a blank line before this position in a text. A line with only a quote mark is a blank
/// line of the quote.
pub(super) fn is_apart(text: &str, at: usize) -> bool {
    let Some((before, _)) = text.get(..at).and_then(|before| before.rsplit_once('\n')) else { return false };
    let last = before.rsplit_once('\n').map_or(before, |(_, last)| last);
    last.trim_matches([' ', '\t', '\r', '>']).is_empty()
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
                    Shape::Item => "item",
                    Shape::Formula => "formula",
                    Shape::Table { .. } => "table",
                    Shape::Code { .. } => "code",
                };
                (document.text()[block.range].trim_end().to_owned(), shape)
            })
            .collect()
    }

    fn assert_shapes(text: &str, expected: &[(&str, &'static str)]) {
        let expected: Vec<_> = expected.iter().map(|(text, shape)| ((*text).to_owned(), *shape)).collect();
        assert_eq!(shapes(text), expected, "{text}");
    }

    #[test]
    fn blocks_are_what_they_look_like() {
        let text =
            "# T\nwords\nmore\n\n- a\n\n  b\n- c\n\nend\n| x |\n|---|\n| 1 |\n```rust\nfn a() {}\n```\nlast";
        let expected = [
            ("# T", "prose"),
            ("words\nmore", "prose"),
            ("- a\n\n  b", "item"),
            ("- c", "item"),
            ("end", "prose"),
            ("| x |\n|---|\n| 1 |", "table"),
            ("fn a() {}", "code"),
            ("last", "prose"),
        ];
        assert_shapes(text, &expected);
    }

    #[test]
    fn formulas_are_one_block() {
        assert_shapes(
            "so\n\\[\na\n- b\n# c\n\\]\nthen\n\n$$\n* x\n$$\n",
            &[
                ("so", "prose"),
                ("\\[\na\n- b\n# c\n\\]", "formula"),
                ("then", "prose"),
                ("$$\n* x\n$$", "formula"),
            ],
        );
        assert_shapes("\\[\nno end\n\n*text*", &[("\\[\nno end", "formula"), ("*text*", "prose")]);
    }

    #[test]
    fn code_is_code_wherever_it_stands() {
        assert_shapes(
            "> a\n> ```\n> # b\n> ```\n> c\n\n1. d\n\n    ```sh\n    # e\n    ```\n- ```\n  f\n  ```\n````\n```\n````\n",
            &[
                ("> a", "prose"),
                ("> # b", "code"),
                ("> c", "prose"),
                ("1. d", "item"),
                ("    # e", "code"),
                ("-", "item"),
                ("  f", "code"),
                ("```", "code"),
            ],
        );
        // Code in a quote ends with the quote.
        assert_shapes("> ```\n> a\nb\n", &[("> a", "code"), ("b", "prose")]);
    }

    #[test]
    fn pieces_split_as_the_whole_does() {
        let text = "a *b*\n\n```py\nx = 1\n\n\"\"\"\ny\n```\n1. one\n2. two\n\n   more\n\\[\n- x\n\\]\n> ```\n> q\n> ```\nend é 日本\n| a |\n|---|\n| 1 |\nx\n";
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
            "\\[ x".repeat(50_000),
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
        document.push("  c\n  ```");
        assert_eq!(
            document.code(0),
            "a\n  b\nc\n",
            "the closing fence is none of it, even before its line ends"
        );
        document.push("\nafter");
        assert_eq!(document.code(0), "a\n  b\nc\n");
        assert_eq!(document.fence(0).map(|fence| fence.info.as_str()), Some("sh"));
    }
}
