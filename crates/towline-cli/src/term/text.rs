//! Styled text that is safe to show, measured in columns.
//!
//! A [`Span`] can only be created with [`Span::new`], which makes every control character visible. So no text
//! of a model or a user can reach the terminal as a command.

use towline_app::text::safe;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// A colour of the terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    #[default]
    Default,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Grey,
}

/// The style of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub color: Color,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub strike: bool,
    pub reverse: bool,
}

impl Style {
    pub const PLAIN: Self = Self {
        color: Color::Default,
        bold: false,
        dim: false,
        italic: false,
        underline: false,
        strike: false,
        reverse: false,
    };
    pub const DIM: Self = Self { dim: true, ..Self::PLAIN };
    pub const BOLD: Self = Self { bold: true, ..Self::PLAIN };
    pub const REVERSE: Self = Self { reverse: true, ..Self::PLAIN };

    /// This colour, with plain text otherwise.
    pub const fn color(color: Color) -> Self {
        Self { color, ..Self::PLAIN }
    }
}

/// A piece of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    text: String,
    style: Style,
}

impl Span {
    /// The visible form of a text.
    pub fn new(text: &str, style: Style) -> Self {
        Self { text: safe::row(text).into_owned(), style }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn style(&self) -> Style {
        self.style
    }
}

/// A line of styled text. The terminal wraps it at the edge, so that it is copied in one piece; a line [in
/// words](Self::in_words) is broken between words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    spans: Vec<Span>,
    /// The indent of each further row of a line in words.
    hanging: Option<Vec<Span>>,
}

impl Line {
    /// A line in one style.
    pub fn styled(text: &str, style: Style) -> Self {
        let mut line = Self::default();
        line.push(text, style);
        line
    }

    /// The same line, broken between words, with this indent before each row except the first.
    pub fn in_words(mut self, hanging: Self) -> Self {
        self.hanging = Some(hanging.spans);
        self
    }

    /// Adds text at the end.
    pub fn push(&mut self, text: &str, style: Style) {
        if !text.is_empty() {
            self.push_span(Span::new(text, style));
        }
    }

    /// Adds a span at the end.
    pub fn push_span(&mut self, span: Span) {
        match self.spans.last_mut() {
            Some(last) if last.style == span.style => last.text.push_str(&span.text),
            Some(_) | None => self.spans.push(span),
        }
    }

    /// Adds a whole line at the end.
    pub fn append(&mut self, other: Self) {
        for span in other.spans {
            self.push_span(span);
        }
    }

    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| width(&span.text)).sum()
    }

    /// The number of bytes of text.
    pub fn len(&self) -> usize {
        self.spans.iter().map(|span| span.text.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Each grapheme with its style.
    pub fn graphemes(&self) -> impl Iterator<Item = (&str, Style)> {
        self.spans.iter().flat_map(|span| graphemes(&span.text).map(|grapheme| (grapheme, span.style)))
    }

    /// The text without its style.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// The indent of the further rows of a line in words; `None` for a line that the terminal wraps.
    pub fn hanging(&self) -> Option<Self> {
        self.hanging.clone().map(|spans| Self { spans, hanging: None })
    }

    /// Adds a grapheme that is already safe to show.
    pub(super) fn push_grapheme(&mut self, grapheme: &str, style: Style) {
        self.push_span(Span { text: grapheme.to_owned(), style });
    }
}

/// Maximum size of a grapheme; longer ones are cut, so that a heap of combining marks does not become one
/// endless cell.
pub(super) const GRAPHEME_BYTES: usize = 64;

/// The graphemes of a text, none longer than 64 bytes.
pub fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true).flat_map(|grapheme| {
        let mut rest = grapheme;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let cut = if rest.len() <= GRAPHEME_BYTES {
                rest.len()
            } else {
                rest.floor_char_boundary(GRAPHEME_BYTES)
            };
            let (head, tail) = rest.split_at(cut);
            rest = tail;
            Some(head)
        })
    })
}

/// The width of a text: the sum of its graphemes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { graphemes(text).map(grapheme_width).sum() }
}

/// The width of a grapheme: at most two columns.
pub fn grapheme_width(grapheme: &str) -> usize {
    grapheme.width().min(2)
}

/// The number of non-blank characters of a text, which does not depend on how it is broken into rows.
pub fn solid(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Whether every terminal gives this grapheme the same width: one character, no emoji.
pub fn is_certain(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => {
            c.is_ascii()
                || matches!(c, '\u{a0}'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}'
                    | '\u{2500}'..='\u{257f}' | '\u{3001}'..='\u{3029}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
                    | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{ff01}'..='\u{ff5e}')
        }
        (Some(_), Some(_)) | (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_of_graphemes() {
        for (text, columns) in [("abc", 3), ("你好", 4), ("👩‍👩‍👧", 2), ("e\u{301}", 1), ("🇩🇪", 2)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }
}
