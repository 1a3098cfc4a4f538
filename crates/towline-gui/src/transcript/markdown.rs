//! One block as pieces to draw.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::safe;

/// Lists and quotes are indented at most this far.
pub const MAX_INDENT: u8 = 8;
/// A table has at most this many columns; what is beyond is dropped from the picture, not from copies.
pub const MAX_COLUMNS: usize = 24;

/// How a run of characters looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Strong.
    pub is_bold: bool,
    /// Emphasised.
    pub is_italic: bool,
    /// Code in a line.
    pub is_code: bool,
    /// Struck through.
    pub is_struck: bool,
    /// Part of a link.
    pub is_link: bool,
}

/// Text with styles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rich {
    /// The characters.
    pub text: String,
    /// Runs of bytes that look alike, without gaps.
    pub runs: Vec<(Range<usize>, Style)>,
    /// Where links are, and where they go.
    pub links: Vec<(Range<usize>, String)>,
}

impl Rich {
    fn push(&mut self, text: &str, style: Style) {
        let from = self.text.len();
        self.text.push_str(&safe(text));
        let range = from..self.text.len();
        match self.runs.last_mut() {
            Some((last, same)) if *same == style => last.end = range.end,
            Some(_) | None => self.runs.push((range, style)),
        }
    }
}

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A paragraph, a heading or a line of a list.
    Text {
        /// What it says.
        rich: Rich,
        /// 1–6 for a heading, else 0.
        heading: u8,
        /// How far lists and quotes indent it, at most [`MAX_INDENT`].
        indent: u8,
        /// The mark of a list's item.
        mark: Option<String>,
        /// Whether it is quoted.
        is_quoted: bool,
    },
    /// Code without a fence of its own, or inside of a list.
    Code(String),
    /// A line across.
    Rule,
    /// A table: the first row is its head.
    Table(Vec<Vec<Rich>>),
}

#[derive(Debug)]
enum List {
    Bullets,
    Numbers(u64),
}

#[derive(Debug, Default)]
struct Reader {
    pieces: Vec<Piece>,
    rich: Rich,
    style: Style,
    bold: usize,
    italic: usize,
    struck: usize,
    heading: u8,
    lists: Vec<List>,
    quotes: usize,
    mark: Option<String>,
    code: Option<String>,
    table: Option<Vec<Vec<Rich>>>,
    link: Option<(usize, String)>,
}

/// Reads one block of Markdown.
pub fn read(block: &str) -> Vec<Piece> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut reader = Reader::default();
    for event in Parser::new_ext(block, options) {
        reader.event(event);
    }
    reader.paragraph();
    reader.pieces
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&safe(&text)),
                None => self.rich.push(&text, self.style),
            },
            Event::Code(text) => self.rich.push(&text, Style { is_code: true, ..self.style }),
            Event::SoftBreak => self.rich.push(" ", self.style),
            Event::HardBreak => self.rich.push("\n", self.style),
            Event::Rule => self.pieces.push(Piece::Rule),
            Event::TaskListMarker(done) => self.mark = Some(if done { "☑" } else { "☐" }.to_owned()),
            // What a browser would run is shown as what it is.
            Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.rich.push(&text, self.style),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.paragraph();
                self.heading = number(level);
            }
            Tag::Paragraph | Tag::HtmlBlock => self.paragraph(),
            Tag::BlockQuote(_) => {
                self.paragraph();
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => {
                self.paragraph();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.paragraph();
                self.lists.push(first.map_or(List::Bullets, List::Numbers));
            }
            Tag::Item => {
                self.paragraph();
                self.mark = match self.lists.last_mut() {
                    Some(List::Numbers(next)) => {
                        *next += 1;
                        Some(format!("{}.", *next - 1))
                    }
                    Some(List::Bullets) | None => Some("•".to_owned()),
                };
            }
            Tag::Table(_) => {
                self.paragraph();
                self.table = Some(Vec::new());
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.push(Vec::new());
                }
            }
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.struck += 1,
            Tag::Link { dest_url, .. } => self.link = Some((self.rich.text.len(), dest_url.into_string())),
            Tag::Image { dest_url, .. } => {
                // Nothing is fetched from the network for a model: the picture is a link.
                self.link = Some((self.rich.text.len(), dest_url.into_string()));
                self.rich.push("🖼 ", self.style);
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

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.paragraph();
                self.heading = 0;
            }
            TagEnd::Paragraph | TagEnd::Item | TagEnd::HtmlBlock => self.paragraph(),
            TagEnd::BlockQuote(_) => {
                self.paragraph();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.pieces.push(Piece::Code(code.trim_end_matches('\n').to_owned()));
                }
            }
            TagEnd::List(_) => {
                self.paragraph();
                self.lists.pop();
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.pieces.push(Piece::Table(table));
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.rich);
                if let Some(row) = self.table.as_mut().and_then(|table| table.last_mut())
                    && row.len() < MAX_COLUMNS
                {
                    row.push(cell);
                }
            }
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                if let Some((from, to)) = self.link.take() {
                    self.rich.links.push((from..self.rich.text.len(), to));
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
            is_struck: self.struck > 0,
            is_link: self.link.is_some(),
        };
    }

    /// Ends the piece of text that is being read.
    fn paragraph(&mut self) {
        if self.rich.text.trim().is_empty() {
            self.rich = Rich::default();
            return;
        }
        let depth = self.lists.len() + self.quotes;
        self.pieces.push(Piece::Text {
            rich: std::mem::take(&mut self.rich),
            heading: self.heading,
            indent: u8::try_from(depth).unwrap_or(MAX_INDENT).min(MAX_INDENT),
            mark: self.mark.take(),
            is_quoted: self.quotes > 0,
        });
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

    fn plain(block: &str) -> Vec<String> {
        let pieces = read(block);
        let line = |piece: &Piece| match piece {
            Piece::Text { rich, heading, indent, mark, .. } => {
                format!(
                    "{indent}{}{} {}",
                    "#".repeat((*heading).into()),
                    mark.as_deref().unwrap_or(""),
                    rich.text
                )
            }
            Piece::Code(code) => format!("code {code}"),
            Piece::Rule => "rule".to_owned(),
            Piece::Table(rows) => {
                let cells =
                    |row: &Vec<Rich>| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(",");
                format!("table {}", rows.iter().map(cells).collect::<Vec<_>>().join(";"))
            }
        };
        pieces.iter().map(line).collect()
    }

    #[test]
    fn pieces() {
        assert_eq!(plain("## T *i*"), ["0## T i"]);
        assert_eq!(plain("3. a\n4. b\n   - c"), ["13. a", "14. b", "2• c"]);
        assert_eq!(plain("> q\n\n---\n\n    x = 1"), ["1 q", "rule", "code x = 1"]);
        assert_eq!(plain("| a | b |\n|--|--|\n| 1 | **2** |"), ["table a,b;1,2"]);
        assert_eq!(plain("- [x] done"), ["1☑ done"]);
        assert_eq!(plain("<script>x</script>"), ["0 <script>x</script>"]);
    }

    #[test]
    fn runs_and_links() {
        let Some(Piece::Text { rich, .. }) = read("a **b** `c` [d](https://e)").into_iter().next() else {
            panic!("no text");
        };
        assert_eq!(rich.text, "a b c d");
        let bold: Vec<_> =
            rich.runs.iter().filter(|(_, style)| style.is_bold).map(|(range, _)| range.clone()).collect();
        assert_eq!(bold, [2..3]);
        assert_eq!(rich.links, [(6..7, "https://e".to_owned())]);
    }

    #[test]
    fn hostile_nesting_is_flat() {
        let deepest = read(&"> ".repeat(4_000)).len() + read(&format!("{}a", "- ".repeat(4_000))).len();
        assert!(deepest <= 4_001);
        for piece in read(&format!("{}a", "> ".repeat(4_000))) {
            assert!(matches!(piece, Piece::Text { indent: MAX_INDENT, .. }));
        }
    }
}
