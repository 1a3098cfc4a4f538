//! Wraps lines into rows: where the terminal would wrap, or between words.

use std::ops::Range;

use super::text::{GRAPHEME_BYTES, Line, Style, grapheme_width, graphemes, width};

/// One row of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    pub line: Line,
    pub width: usize,
    pub end: Break,
}

/// What follows a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Break {
    /// The line ends here.
    #[default]
    End,
    /// The rest of the same word, where the terminal wraps it.
    Cells,
    /// The next word, in a new row. The blanks in between are not shown.
    Words(Line),
}

impl Row {
    /// The part of a line that fits.
    pub fn clipped(line: &Line, columns: usize) -> Self {
        let mut row = Self::default();
        for (grapheme, style) in line.graphemes() {
            if row.width + grapheme_width(grapheme) > columns {
                break;
            }
            row.push(grapheme, style);
        }
        row
    }

    pub fn push(&mut self, grapheme: &str, style: Style) {
        self.line.push_grapheme(grapheme, style);
        self.width += grapheme_width(grapheme);
    }

    /// The row with its indent in front.
    pub fn indented_by(self, hanging: &Line) -> Self {
        let mut line = hanging.clone();
        line.append(self.line);
        Self { line, width: hanging.width() + self.width, end: self.end }
    }

    /// Whether one more grapheme fits. A row of zero-width marks ends too.
    fn takes(&self, grapheme: &str, columns: usize) -> bool {
        self.width + grapheme_width(grapheme) <= columns && self.line.len() <= row_bytes(columns)
    }
}

fn row_bytes(columns: usize) -> usize {
    columns * 16 + GRAPHEME_BYTES
}

/// Wraps a line into rows. An empty line is one row.
pub fn wrap(line: &Line, columns: usize) -> Vec<Row> {
    let hanging = hanging(line, columns);
    let mut rows: Vec<Row> = vec![];
    for row in bodies(line, columns) {
        let after_word = rows.last().is_some_and(|row| matches!(row.end, Break::Words(_)));
        rows.push(if after_word { row.indented_by(&hanging) } else { row });
    }
    rows
}

/// The indent of the further rows of a line: empty if it would take half of the screen.
pub fn hanging(line: &Line, columns: usize) -> Line {
    let hanging = line.hanging().unwrap_or_default();
    if hanging.width() * 2 > columns { Line::default() } else { hanging }
}

/// The rows of a line, without their indent.
pub fn bodies(line: &Line, columns: usize) -> Vec<Row> {
    let columns = columns.max(1);
    if line.hanging().is_none() { in_cells(line, columns) } else { in_words(line, columns) }
}

fn in_cells(line: &Line, columns: usize) -> Vec<Row> {
    let mut cut = Cut { columns, rows: vec![], row: Row::default() };
    for (grapheme, style) in line.graphemes() {
        cut.cell(grapheme, style);
    }
    cut.end()
}

fn in_words(line: &Line, columns: usize) -> Vec<Row> {
    let text = line.text();
    let styled: Vec<(&str, Style)> = line.graphemes().collect();
    let room_later = columns - hanging(line, columns).width();
    let mut room = columns;
    let mut cut = Cut { columns, rows: vec![], row: Row::default() };
    let mut blanks = Row::default();
    let mut rest = styled.as_slice();
    for word in words(&text) {
        let (body, gap, after) = split(rest, &text[word.clone()]);
        rest = after;
        let width: usize = body.iter().map(|(grapheme, _)| grapheme_width(grapheme)).sum();
        let bytes: usize = body.iter().map(|(grapheme, _)| grapheme.len()).sum();
        let fits = cut.row.width + blanks.width + width <= room && bytes <= row_bytes(columns);
        let gap_before = std::mem::take(&mut blanks);
        if fits || (cut.row.line.is_empty() && cut.rows.is_empty() && gap_before.width < room) {
            cut.row.line.append(gap_before.line);
            cut.row.width += gap_before.width;
        } else if !cut.row.line.is_empty() {
            cut.row.end = Break::Words(gap_before.line);
            cut.next();
            room = room_later;
        }
        for (grapheme, style) in body {
            // The terminal wraps a word that is wider than a row, so that a URL is copied in one piece.
            if cut.row.takes(grapheme, room) || cut.row.line.is_empty() {
                cut.row.push(grapheme, *style);
            } else {
                cut.row.end = Break::Cells;
                cut.next();
                room = columns;
                cut.row.push(grapheme, *style);
            }
        }
        for (grapheme, style) in gap {
            blanks.push(grapheme, *style);
        }
    }
    if cut.row.width + blanks.width <= room {
        cut.row.line.append(blanks.line);
        cut.row.width += blanks.width;
    }
    cut.end()
}

/// Rows that are being filled.
struct Cut {
    columns: usize,
    rows: Vec<Row>,
    row: Row,
}

impl Cut {
    fn cell(&mut self, grapheme: &str, style: Style) {
        if !self.row.takes(grapheme, self.columns) {
            self.row.end = Break::Cells;
            self.next();
        }
        self.row.push(grapheme, style);
    }

    fn next(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
    }

    fn end(mut self) -> Vec<Row> {
        self.next();
        self.rows
    }
}

/// Styled graphemes.
type Styled<'a> = [(&'a str, Style)];

/// The graphemes of a word, those of the blanks after it, and the rest.
fn split<'a, 'b>(rest: &'b Styled<'a>, word: &str) -> (&'b Styled<'a>, &'b Styled<'a>, &'b Styled<'a>) {
    let count = |bytes: usize| {
        let mut sum = 0;
        let fits = |(grapheme, _): &&(&str, Style)| {
            sum += grapheme.len();
            sum <= bytes
        };
        rest.iter().take_while(fits).count()
    };
    let (whole, after) = rest.split_at(count(word.len()));
    let (body, gap) = whole.split_at(count(word.trim_end_matches(is_blank).len()).min(whole.len()));
    (body, gap, after)
}

/// Whether a line may be broken at this blank; a no-break space does not allow it.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}')
}

/// The words of a text, each with the blanks after it. Chinese and Japanese are broken where Unicode allows
/// it.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    let breaks = unicode_linebreak::linebreaks(text).map(|(at, _)| at).filter(move |&at| {
        let (before, after) = text.split_at(at);
        let is_ideograph = |c: Option<char>| c.is_some_and(|c| grapheme_width_of(c) == 2 && !is_hangul(c));
        after.is_empty()
            || before.ends_with(is_blank)
            || is_ideograph(before.chars().next_back())
            || is_ideograph(after.chars().next())
    });
    breaks.map(move |at| std::mem::replace(&mut from, at)..at)
}

fn grapheme_width_of(c: char) -> usize {
    grapheme_width(c.encode_utf8(&mut [0; 4]))
}

/// Korean is written with blanks between words.
fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}')
}

/// Maximum number of columns before the text of a list line.
const LIST_COLUMNS: usize = 20;

/// The indent of the further rows of a line, in columns: where its text begins, after blanks or after a word
/// and a gap.
pub fn text_column(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    let before = line.len() - text.len();
    let gap = text.find("  ").map(|at| text.len() - text[at..].trim_start_matches(' ').len());
    match gap.filter(|gap| before == 0 && *gap < text.len()) {
        Some(gap) if gap <= LIST_COLUMNS => width(&text[..gap]),
        Some(_) | None => before,
    }
}

/// The columns of the widest word of a line.
pub fn widest_word(line: &Line) -> usize {
    let text = line.text();
    let width = |word: &str| graphemes(word.trim_end_matches(is_blank)).map(grapheme_width).sum();
    words(&text).map(|word| width(&text[word])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &Line, columns: usize) -> Vec<String> {
        let rows = wrap(line, columns);
        assert!(rows.iter().all(|row| row.width <= columns && row.width == row.line.width()));
        rows.iter().map(|row| row.line.text()).collect()
    }

    fn words(text: &str, hanging: &str, columns: usize) -> Vec<String> {
        let hanging = Line::styled(hanging, Style::PLAIN);
        texts(&Line::styled(text, Style::PLAIN).in_words(hanging), columns)
    }

    #[test]
    fn a_wide_character_never_straddles_rows() {
        assert_eq!(texts(&Line::styled("a你好b", Style::PLAIN), 4), ["a你", "好b"]);
    }

    #[test]
    fn a_heap_of_marks_is_cut() {
        let line = Line::styled(&format!("a{}", "\u{301}".repeat(100_000)), Style::PLAIN);
        assert!(wrap(&line, 80).iter().all(|row| row.line.len() < 2048));
        assert!(wrap(&line.in_words(Line::default()), 80).iter().all(|row| row.line.len() < 2048));
    }

    #[test]
    fn lines_are_broken_between_words() {
        for (text, hanging, columns, shown) in [
            ("the quick brown fox", "", 10, &["the quick", "brown fox"][..]),
            ("the quick", "", 9, &["the quick"]),
            ("one two  ", "", 7, &["one two"]),
            ("- one two three", "  ", 9, &["- one two", "  three"]),
            ("  deep words here", "", 12, &["  deep words", "here"]),
            ("well-known a/b", "", 12, &["well-known", "a/b"]),
            (
                "see https://example.org/long/way it",
                "",
                12,
                &["see", "https://exam", "ple.org/long", "/way it"],
            ),
            ("今日は、天気です。", "", 8, &["今日は、", "天気で", "す。"]),
            ("「引用」です", "", 7, &["「引", "用」で", "す"]),
            ("안녕하세요 세계", "", 11, &["안녕하세요", "세계"]),
            ("10\u{a0}km to go", "", 7, &["10\u{a0}km", "to go"]),
            ("- a b", "          ", 4, &["- a", "b"]),
            ("", "", 4, &[""]),
        ] {
            assert_eq!(words(text, hanging, columns), shown, "{text:?}");
        }
    }

    #[test]
    fn further_rows_of_a_list_begin_where_its_text_does() {
        for (line, column) in [
            (":file       text files", 12),
            ("  indented text", 2),
            ("plain text", 0),
            ("你好  text", 6),
            ("a sentence. Two blanks  are no list", 0),
            ("word  ", 0),
            ("", 0),
        ] {
            assert_eq!(text_column(line), column, "{line:?}");
        }
    }

    #[test]
    fn the_widest_word_is_found() {
        for (text, width) in [("a bcd ef", 3), ("你好", 2), ("", 0), ("   ", 0)] {
            assert_eq!(widest_word(&Line::styled(text, Style::PLAIN)), width, "{text:?}");
        }
    }
}
