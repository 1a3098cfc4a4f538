//! Turns one block into pieces to draw, without omitting any of its content.

use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::blocks::{Block, Document, Shape, is_apart};
use super::lines::indented;
use super::protect::Source;
use crate::text::safe;

/// The maximum indentation of lists and of quotes.
pub const MAX_INDENT: u8 = 8;
/// The maximum number of columns of a table; the content of further columns goes into the last.
pub const MAX_COLUMNS: usize = 24;

/// The style of a run of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Strong.
    pub is_bold: bool,
    /// Emphasised.
    pub is_italic: bool,
    /// Code in a line.
    pub is_code: bool,
    /// A formula, as it was written.
    pub is_formula: bool,
    /// Struck through.
    pub is_struck: bool,
    /// Part of a link.
    pub is_link: bool,
}

/// Styled text that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rich {
    /// The characters.
    pub text: String,
    /// Runs of bytes with the same style, without gaps.
    pub runs: Vec<(Range<usize>, Style)>,
    /// The ranges and the targets of links.
    pub links: Vec<(Range<usize>, String)>,
}

impl Rich {
    fn push(&mut self, text: &str, style: Style) {
        let from = self.text.len();
        self.text.push_str(&safe::text(text));
        let range = from..self.text.len();
        match self.runs.last_mut() {
            Some((last, same)) if *same == style => last.end = range.end,
            Some(_) | None => self.runs.push((range, style)),
        }
    }

    /// Removes line feeds from the end.
    fn trim_end(&mut self) {
        let length = self.text.trim_end_matches('\n').len();
        self.text.truncate(length);
        self.runs.retain_mut(|(range, _)| {
            range.end = range.end.min(length);
            range.start < range.end
        });
    }

    fn append(&mut self, other: Self) {
        let from = self.text.len();
        let moved = |range: Range<usize>| from + range.start..from + range.end;
        self.text.push_str(&other.text);
        self.runs.extend(other.runs.into_iter().map(|(range, style)| (moved(range), style)));
        self.links.extend(other.links.into_iter().map(|(range, to)| (moved(range), to)));
    }
}

/// The nesting of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Number of lists around it, at most [`MAX_INDENT`].
    pub lists: u8,
    /// Number of quotes around it, at most [`MAX_INDENT`].
    pub quotes: u8,
    /// Whether there is a blank line before it in its block.
    pub is_apart: bool,
}

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// The left.
    #[default]
    Left,
    /// The middle.
    Center,
    /// The right.
    Right,
}

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A paragraph, a heading or an item of a list.
    Text {
        /// Its text.
        rich: Rich,
        /// 1–6 for a heading, else 0.
        heading: u8,
        /// The mark of a list's item.
        mark: Option<String>,
        /// Its place.
        depth: Depth,
    },
    /// Code.
    Code {
        /// Its lines.
        text: String,
        /// The info string of its fence, if it has one.
        info: String,
        /// Its place.
        depth: Depth,
    },
    /// A horizontal rule.
    Rule,
    /// A table: the first row is its head.
    Table {
        /// Its cells.
        rows: Vec<Vec<Rich>>,
        /// One for each column.
        align: Vec<Align>,
    },
}

impl Document {
    /// A block as pieces to draw.
    pub fn pieces(&self, block: &Block) -> Vec<Piece> {
        let text = self.text().get(block.range.clone()).unwrap_or_default();
        let begins_line = self.begins_line(block.range.start);
        match &block.shape {
            Shape::Prose => read(text, begins_line),
            // The rest of a list item that was split would count as code if it were not moved to the left.
            Shape::Item if indented(text).0 >= 4 => read(&dedented(text), begins_line),
            Shape::Item => read(text, begins_line),
            Shape::Table { head: None } => read(text, begins_line),
            Shape::Table { head: Some(head) } => {
                let head = self.text().get(head.clone()).unwrap_or_default();
                read(&format!("{head}{text}"), true)
            }
            Shape::Formula => {
                let mut rich = Rich::default();
                rich.push(text.trim_end(), Style { is_formula: true, ..Style::default() });
                vec![Piece::Text { rich, heading: 0, mark: None, depth: Depth::default() }]
            }
            Shape::Code { fence, .. } => {
                let Some(fenced) = self.fence(*fence) else { return Vec::new() };
                let lines: Vec<_> = text.lines().map(|line| safe::text(fenced.line(line))).collect();
                let depth = Depth { quotes: level(fenced.quotes()), ..Depth::default() };
                vec![Piece::Code {
                    text: lines.join("\n"),
                    info: safe::text(&fenced.info).into_owned(),
                    depth,
                }]
            }
        }
    }
}

/// The lines without the indentation of the first.
fn dedented(text: &str) -> String {
    let indent = text.len() - indented(text).1.len();
    let blanks =
        |line: &str| line.bytes().take(indent).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.split_inclusive('\n').map(|line| &line[blanks(line)..]).collect()
}

#[derive(Debug)]
struct Reader<'a> {
    source: &'a Source<'a>,
    pieces: Vec<Piece>,
    rich: Rich,
    style: Style,
    bold: usize,
    italic: usize,
    struck: usize,
    heading: u8,
    lists: usize,
    quotes: usize,
    mark: Option<String>,
    code: Option<(String, String)>,
    table: Option<(Vec<Vec<Rich>>, Vec<Align>)>,
    /// The start, the target and the title of each open link.
    links: Vec<(usize, String, String)>,
    is_apart: bool,
}

fn read(block: &str, begins_line: bool) -> Vec<Piece> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let source = Source::of(block, begins_line);
    let mut reader = Reader {
        source: &source,
        pieces: Vec::new(),
        rich: Rich::default(),
        style: Style::default(),
        bold: 0,
        italic: 0,
        struck: 0,
        heading: 0,
        lists: 0,
        quotes: 0,
        mark: None,
        code: None,
        table: None,
        links: Vec::new(),
        is_apart: false,
    };
    for (event, range) in Parser::new_ext(source.text(), options).into_offset_iter() {
        reader.event(event, range);
    }
    reader.paragraph();
    reader.pieces
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((code, _)) => code.push_str(&safe::text(&self.source.restored(&text))),
                None => self.push(&text, self.style),
            },
            Event::Code(text) => self.push(&text, Style { is_code: true, ..self.style }),
            Event::InlineMath(text) => self.formula(&text, "$"),
            Event::DisplayMath(text) => self.formula(&text, "$$"),
            // Models insert line breaks deliberately.
            Event::SoftBreak | Event::HardBreak => self.rich.push("\n", self.style),
            Event::Rule => {
                self.separate_block();
                self.pieces.push(Piece::Rule);
            }
            Event::TaskListMarker(done) => {
                let done = if done { "☑" } else { "☐" };
                self.mark = match self.mark.take() {
                    Some(mark) if mark != BULLET => Some(format!("{mark} {done}")),
                    Some(_) | None => Some(done.to_owned()),
                };
            }
            // Content that a browser would run is shown as source.
            Event::Html(text) | Event::InlineHtml(text) | Event::FootnoteReference(text) => {
                self.push(&text, self.style);
            }
        }
    }

    fn push(&mut self, text: &str, style: Style) {
        let rich = &mut self.rich;
        self.source.restore(text, |text, is_formula| {
            rich.push(text, Style { is_formula: is_formula || style.is_formula, ..style });
        });
    }

    fn formula(&mut self, text: &str, mark: &str) {
        let style = Style { is_formula: true, ..self.style };
        self.rich.push(mark, style);
        self.push(text, style);
        self.rich.push(mark, style);
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.paragraph();
                self.place(range.start);
                self.heading = number(level);
            }
            Tag::Paragraph | Tag::HtmlBlock => {
                self.paragraph();
                self.place(range.start);
            }
            Tag::BlockQuote(_) => {
                self.separate_block();
                self.quotes += 1;
            }
            Tag::CodeBlock(kind) => {
                self.separate_block();
                self.place(range.start);
                let info = match kind {
                    CodeBlockKind::Fenced(info) => self.source.restored(&info),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((String::new(), safe::text(&info).into_owned()));
            }
            Tag::List(_) => {
                self.separate_block();
                self.lists += 1;
            }
            Tag::Item => {
                self.separate_block();
                self.place(range.start);
                // A number is shown as it was written.
                let written = self.source.text().get(range).unwrap_or_default().trim_start();
                let number = written
                    .split_whitespace()
                    .next()
                    .filter(|mark| mark.starts_with(|c: char| c.is_ascii_digit()));
                self.mark = Some(number.unwrap_or(BULLET).to_owned());
            }
            Tag::Table(align) => {
                self.separate_block();
                self.table = Some((Vec::new(), align.into_iter().map(side).collect()));
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some((rows, _)) = &mut self.table {
                    rows.push(Vec::new());
                }
            }
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.struck += 1,
            Tag::Link { dest_url, title, .. } => self.link(&dest_url, &title),
            Tag::Image { dest_url, title, .. } => {
                // A model must not trigger network requests, so the picture becomes a link.
                self.link(&dest_url, &title);
                self.rich.push("image: ", self.style);
            }
            Tag::TableCell
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
        self.restyle();
    }

    fn link(&mut self, to: &str, title: &str) {
        let to = safe::text(&self.source.restored(to)).into_owned();
        self.links.push((self.rich.text.len(), to, title.to_owned()));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.paragraph();
                self.heading = 0;
            }
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.paragraph(),
            TagEnd::Item => self.separate_block(),
            TagEnd::BlockQuote(_) => {
                self.paragraph();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::CodeBlock => {
                if let Some((code, info)) = self.code.take() {
                    let text = code.trim_end_matches('\n').to_owned();
                    let depth = self.depth();
                    self.pieces.push(Piece::Code { text, info, depth });
                }
            }
            TagEnd::List(_) => {
                self.paragraph();
                self.lists = self.lists.saturating_sub(1);
            }
            TagEnd::Table => {
                if let Some((rows, align)) = self.table.take() {
                    self.pieces.push(Piece::Table { rows, align });
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.rich);
                if let Some(row) = self.table.as_mut().and_then(|(rows, _)| rows.last_mut()) {
                    let is_full = row.len() >= MAX_COLUMNS;
                    match row.last_mut() {
                        Some(last) if is_full => {
                            last.push(" | ", Style::default());
                            last.append(cell);
                        }
                        Some(_) | None => row.push(cell),
                    }
                }
            }
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                if let Some((from, to, title)) = self.links.pop() {
                    self.rich.links.push((from..self.rich.text.len(), to));
                    if !title.is_empty() {
                        self.restyle();
                        self.push(&format!(" ({title})"), self.style);
                    }
                }
            }
            TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
        self.restyle();
    }

    fn restyle(&mut self) {
        self.style = Style {
            is_bold: self.bold > 0,
            is_italic: self.italic > 0,
            is_code: false,
            is_formula: false,
            is_struck: self.struck > 0,
            is_link: !self.links.is_empty(),
        };
    }

    fn place(&mut self, at: usize) {
        self.is_apart = is_apart(self.source.text(), at);
    }

    fn depth(&mut self) -> Depth {
        let is_apart = std::mem::take(&mut self.is_apart);
        Depth { lists: level(self.lists), quotes: level(self.quotes), is_apart }
    }

    /// Ends the current piece of text.
    fn paragraph(&mut self) {
        if self.rich.text.trim().is_empty() {
            self.rich = Rich::default();
        } else {
            self.text();
        }
    }

    /// The next piece is not text for the mark of an item, so the mark gets its own piece.
    fn separate_block(&mut self) {
        self.paragraph();
        if self.mark.is_some() {
            self.text();
        }
    }

    fn text(&mut self) {
        let mut rich = std::mem::take(&mut self.rich);
        rich.trim_end();
        let (mark, depth) = (self.mark.take(), self.depth());
        self.pieces.push(Piece::Text { rich, heading: self.heading, mark, depth });
    }
}

const BULLET: &str = "•";

fn level(depth: usize) -> u8 {
    u8::try_from(depth).unwrap_or(MAX_INDENT).min(MAX_INDENT)
}

fn side(alignment: Alignment) -> Align {
    match alignment {
        Alignment::None | Alignment::Left => Align::Left,
        Alignment::Center => Align::Center,
        Alignment::Right => Align::Right,
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        let document = Document::of(text);
        document
            .blocks()
            .iter()
            .cloned()
            .chain(document.open())
            .flat_map(|block| document.pieces(&block))
            .collect()
    }

    fn plain(text: &str) -> Vec<String> {
        let line = |piece: &Piece| match piece {
            Piece::Text { rich, heading, mark, depth } => {
                let mark = mark.as_deref().unwrap_or("");
                let (lists, quotes) = (depth.lists, depth.quotes);
                format!(
                    "{}{}{}{mark} {}",
                    ">".repeat(quotes.into()),
                    " ".repeat(lists.into()),
                    "#".repeat((*heading).into()),
                    rich.text
                )
            }
            Piece::Code { text, info, .. } => format!("code {info}: {text}"),
            Piece::Rule => "rule".to_owned(),
            Piece::Table { rows, .. } => {
                let cells =
                    |row: &Vec<Rich>| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(",");
                format!("table {}", rows.iter().map(cells).collect::<Vec<_>>().join(";"))
            }
        };
        pieces(text).iter().map(line).collect()
    }

    #[test]
    fn blocks_become_pieces() {
        for (given, shown) in [
            ("## T *i*", &["## T i"][..]),
            ("3) a\n4) b\n   - c", &[" 3) a", " 4) b", "  • c"]),
            ("> q\n\n---\n\n    x = 1", &["> q", "rule", "code : x = 1"]),
            ("| a | b |\n|--|--|\n| 1 | **2** |", &["table a,b;1,2"]),
            ("- [x] done\n2. [ ] open", &[" ☑ done", " 2. ☐ open"]),
            ("<script>x</script>", &[" <script>x</script>"]),
            ("- > q\n- - a", &[" • ", ">  q", " • ", "  • a"]),
            ("> ```py\n> *x*\n> ```", &["code py: *x*"]),
            ("one\ntwo", &[" one\ntwo"]),
        ] {
            assert_eq!(plain(given), shown, "{given}");
        }
    }

    #[test]
    fn nothing_is_left_out() {
        for (given, shown) in [
            (r"roots \( x_{1} = -b_{1}*a*b \) here", r" roots \( x_{1} = -b_{1}*a*b \) here"),
            (r"\[ \lambda = -3 \pm 2 \]", r" \[ \lambda = -3 \pm 2 \]"),
            (
                r"$\begin{pmatrix} a & b \\ c & d \end{pmatrix}$, \{1, 2\}",
                r" $\begin{pmatrix} a & b \\ c & d \end{pmatrix}$, \{1, 2\}",
            ),
            ("$a_1*b_1$ and $$a_2*b_2$$", " $a_1*b_1$ and $$a_2*b_2$$"),
            (r"C:\\Users\new \; \, \", r" C:\\Users\new \; \, \"),
            (r"\*no\* emphasis \d", r" *no* emphasis \d"),
            ("[1]: http://a.b 'c'", " [1]: http://a.b 'c'"),
            ("a \u{f0000} \\( \u{f0001}", " a \u{f0000} \\( \u{f0001}"),
            ("**“你好”**说 and 他**“好”**", " “你好”说 and 他“好”"),
            (r"`\(a\)` <b>*</b>", r" \(a\) <b>*</b>"),
            ("| a |\n|---|\n| 1 | 2 | 3 |", "table a,,;1,2,3"),
        ] {
            assert_eq!(plain(given), [shown], "{given}");
        }
        let row = (0..30).map(|n| format!("| {n} ")).collect::<String>();
        let shown = plain(&format!("{row}|\n{}|\n{row}|", "|---".repeat(30))).concat();
        assert!((0..30).all(|n| shown.matches(&n.to_string()).count() >= 2), "{shown}");
    }

    #[test]
    fn what_is_cut_stays_what_it_was() {
        let line = format!("{}# 1. no heading", "word ".repeat(409));
        assert!(plain(&line).concat().ends_with("# 1. no heading"), "a long line is not read as two");
        let item = format!("- a\n{}", "    - b\n".repeat(100));
        assert_eq!(plain(&item).iter().filter(|piece| piece.ends_with("• b")).count(), 100);
    }

    #[test]
    fn runs_and_links() {
        let Some(Piece::Text { rich, .. }) =
            pieces("a **b** `c` [d](https://e \"f\") \\(g\\)").into_iter().next()
        else {
            panic!("no text");
        };
        assert_eq!(rich.text, "a b c d (f) \\(g\\)");
        let of = |is: fn(&Style) -> bool| {
            let mut runs = rich.runs.iter().filter(|(_, style)| is(style));
            runs.next().map(|(range, _)| &rich.text[range.clone()])
        };
        assert_eq!(of(|style| style.is_bold), Some("b"));
        assert_eq!(of(|style| style.is_code), Some("c"));
        assert_eq!(of(|style| style.is_formula), Some("\\(g\\)"));
        assert_eq!(rich.links, [(6..7, "https://e".to_owned())]);
    }

    #[test]
    fn hostile_nesting_is_flat() {
        let deepest = plain(&"> ".repeat(4_000)).len() + plain(&format!("{}a", "- ".repeat(4_000))).len();
        assert!(deepest <= 4_010, "{deepest}");
        for piece in pieces(&format!("{}a", "> ".repeat(900))) {
            assert!(matches!(piece, Piece::Text { depth: Depth { quotes: MAX_INDENT, .. }, .. }));
        }
    }
}
