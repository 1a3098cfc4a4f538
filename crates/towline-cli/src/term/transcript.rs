//! Pending lines for the terminal, which are taken row by row.
//!
//! A line in cells is written unwrapped and wrapped by the terminal, so that it reflows and is copied in one
//! piece. It may still be taken in parts: where a row is exactly full, writing can stop and resume later
//! (see [`Painter`](super::painter)). A line in words is broken for the width of the window at the time of
//! writing.

use std::collections::VecDeque;

use super::rows::{Break, Row, bodies, hanging};
use super::text::{Line, Style, is_certain};

/// Maximum size of a line that is written in one part because its width is uncertain; a longer one is cut.
const UNCERTAIN_BYTES: usize = 8 << 10;

/// A row to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub row: Row,
    pub end: End,
}

/// How a row ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The line ends here.
    Line,
    /// The line continues in the next row, where the terminal wraps it.
    Wrap,
    /// The same, and writing may stop here: this is the row's last grapheme.
    Pause(String, Style),
}

/// The line that is being taken, cut into rows.
#[derive(Debug)]
struct Open {
    rows: VecDeque<Row>,
    /// The indent of a row that begins with a word, except the first row.
    hanging: Line,
    /// Whether the row before ended between words.
    after_word: bool,
    /// Whether the line is in words.
    in_words: bool,
    columns: usize,
    is_certain: bool,
    written_bytes: usize,
}

/// Lines waiting to be written.
#[derive(Debug, Default)]
pub struct Transcript {
    lines: VecDeque<Line>,
    open: Option<Open>,
    bytes: usize,
}

impl Transcript {
    pub fn push(&mut self, line: Line) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
    }

    /// The number of pending bytes of text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.open.is_none()
    }

    /// Takes rows of about `budget_bytes`, at least one, up to a place where writing may stop.
    pub fn take(&mut self, columns: usize, budget_bytes: usize) -> Vec<Part> {
        let mut parts = vec![];
        let mut used = 0;
        while let Some(part) = self.next(columns) {
            used += part.row.line.len() + 2;
            let may_stop = part.end != End::Wrap;
            parts.push(part);
            if may_stop && used >= budget_bytes {
                break;
            }
        }
        parts
    }

    fn next(&mut self, columns: usize) -> Option<Part> {
        self.rewrap(columns);
        if self.open.is_none() {
            let line = self.lines.pop_front()?;
            self.open = Some(Open::new(&line, columns, false));
        }
        let open = self.open.as_mut()?;
        let mut row = open.rows.pop_front()?;
        let bytes = row.line.len();
        self.bytes = self.bytes.saturating_sub(bytes);
        open.written_bytes += bytes;
        if std::mem::take(&mut open.after_word) {
            row = row.indented_by(&open.hanging);
        }
        let end = match &row.end {
            Break::End => {
                self.open = None;
                self.bytes = self.bytes.saturating_sub(1);
                End::Line
            }
            Break::Words(gap) => {
                self.bytes = self.bytes.saturating_sub(gap.len());
                open.after_word = true;
                open.written_bytes = 0;
                End::Line
            }
            Break::Cells if open.is_certain => match row.line.graphemes().last() {
                Some((grapheme, style)) => End::Pause(grapheme.to_owned(), style),
                None => End::Wrap,
            },
            Break::Cells if open.written_bytes >= UNCERTAIN_BYTES => {
                open.written_bytes = 0;
                End::Line
            }
            Break::Cells => End::Wrap,
        };
        Some(Part { row, end })
    }

    /// Wraps the rest of the open line again if the width of the window has changed.
    fn rewrap(&mut self, columns: usize) {
        let Some(open) = self.open.take_if(|open| open.columns != columns) else { return };
        let mut line = Line::default();
        for row in open.rows {
            line.append(row.line);
            if let Break::Words(gap) = row.end {
                line.append(gap);
            }
        }
        if open.in_words {
            line = line.in_words(open.hanging);
        }
        self.open = Some(Open::new(&line, columns, open.after_word));
    }
}

impl Open {
    fn new(line: &Line, columns: usize, after_word: bool) -> Self {
        Self {
            rows: bodies(line, columns).into(),
            hanging: hanging(line, columns),
            after_word,
            in_words: line.hanging().is_some(),
            columns,
            is_certain: line.graphemes().all(|(grapheme, _)| is_certain(grapheme)),
            written_bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[Part]) -> Vec<String> {
        parts.iter().map(|part| part.row.line.text()).collect()
    }

    #[test]
    fn a_long_line_may_pause_where_a_row_is_full() {
        let mut transcript = Transcript::default();
        transcript.push(Line::styled("abcdefghij", Style::PLAIN));
        let parts = transcript.take(4, 1);
        assert_eq!(texts(&parts), ["abcd"]);
        assert_eq!(parts[0].end, End::Pause("d".into(), Style::PLAIN));
        assert_eq!(texts(&transcript.take(3, 100)), ["efg", "hij"], "cut again at another width");
        assert!(transcript.is_empty());
        assert_eq!(transcript.bytes(), 0);
    }

    #[test]
    fn what_is_left_of_a_line_in_words_is_broken_for_the_new_width() {
        let mut transcript = Transcript::default();
        let hanging = Line::styled("  ", Style::PLAIN);
        transcript.push(Line::styled("- one two three four", Style::PLAIN).in_words(hanging));
        assert_eq!(texts(&transcript.take(9, 1)), ["- one two"]);
        assert_eq!(texts(&transcript.take(80, 100)), ["  three four"]);
        assert!(transcript.is_empty());
        assert_eq!(transcript.bytes(), 0);
    }

    #[test]
    fn a_line_of_uncertain_width_is_written_whole() {
        let mut transcript = Transcript::default();
        transcript.push(Line::styled("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", Style::PLAIN));
        transcript.push(Line::styled("next", Style::PLAIN));
        assert_eq!(transcript.take(4, 1).len(), 2);
    }
}
