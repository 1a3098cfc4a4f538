//! Produces the bytes that update the screen from its current to its wanted state.
//!
//! The block is below the transcript, and only distances inside it are known, never an absolute row. It is at
//! least one row shorter than the screen, so moving to its top, or to the row above it, never hits the
//! screen's edge.

use super::palette::Palette;
use super::rows::{Row, wrap};
use super::text::{Line, Style, grapheme_width, is_certain};
use super::transcript::{End, Part};

/// Rows with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    pub rows: Vec<Row>,
    pub cursor_row: usize,
    pub cursor_column: usize,
}

const BEGIN_SYNCHRONIZED: &[u8] = b"\x1b[?2026h";
const END_SYNCHRONIZED: &[u8] = b"\x1b[?2026l";
const WRAP_OFF: &[u8] = b"\x1b[?7l";
const WRAP_ON: &[u8] = b"\x1b[?7h";
const ERASE_RIGHT: &[u8] = b"\x1b[K";
/// A smaller frame is never visible half drawn.
const SYNCHRONIZED_BYTES: usize = 48;

/// The end of a full row whose line continues: when this grapheme is written again, the terminal wraps the
/// text after it.
#[derive(Debug)]
struct Paused {
    grapheme: String,
    style: Style,
    row_width: usize,
}

/// Tracks the block on the screen.
#[derive(Debug)]
pub struct Painter {
    palette: Palette,
    /// Whether the terminal moves text of a long row to the next row when the window becomes narrower.
    reflows: bool,
    /// Whether a line end also moves the cursor to the row's beginning.
    is_cooked: bool,
    shown: Block,
    /// The cursor's row inside the block.
    row: usize,
    /// `None` if a row was filled to its end: the next movement must not be relative to it.
    column: Option<usize>,
    columns: usize,
    /// Set if the row above the block is full and its line continues.
    paused: Option<Paused>,
}

impl Painter {
    pub fn new(palette: Palette, reflows: bool, columns: usize) -> Self {
        Self {
            palette,
            reflows,
            is_cooked: false,
            shown: Block::default(),
            row: 0,
            column: Some(0),
            columns,
            paused: None,
        }
    }

    /// Changes the colours.
    pub fn repaint(&mut self, palette: Palette) {
        self.palette = palette;
    }

    /// The same for a terminal that is not in raw mode.
    pub fn cooked(self) -> Self {
        Self { is_cooked: true, ..self }
    }

    /// Writes the rows of the transcript above the block and shows the block.
    pub fn paint(&mut self, parts: &[Part], block: &Block, out: &mut Vec<u8>) {
        let begin = out.len();
        if parts.is_empty() {
            self.change(block, out);
        } else {
            self.erase(out);
            self.write_transcript(parts, out);
            self.change(block, out);
        }
        if out.len() - begin >= SYNCHRONIZED_BYTES {
            out.splice(begin..begin, BEGIN_SYNCHRONIZED.iter().copied());
            out.extend_from_slice(END_SYNCHRONIZED);
        }
    }

    /// Asks the terminal for its width: the row and column of the cursor after it is moved to the right edge.
    /// The cursor then returns to its place.
    ///
    /// There is a request for the size itself, but tmux 3.3 swaps columns and rows in its answer, and every
    /// terminal knows this one.
    pub fn ask_width(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[9999G\x1b[6n");
        column(self.column.unwrap_or(0), out);
    }

    /// Erases the block from the screen; the cursor ends up where the block began.
    pub fn erase(&mut self, out: &mut Vec<u8>) {
        let count = self.shown.rows.len();
        if count == 0 {
            return;
        }
        self.move_to(0, 0, out);
        for row in 0..count {
            if row > 0 {
                out.push(b'\n');
            }
            out.extend_from_slice(ERASE_RIGHT);
        }
        up(count - 1, out);
        self.shown = Block::default();
        self.row = 0;
        self.column = Some(0);
    }

    /// Called when the window has another width, so that the rows of the block may be wrapped now. Erases
    /// them from the screen.
    ///
    /// `cursor_row` is the screen row of the cursor when the terminal was last asked. From it follows which
    /// rows at the block's beginning the terminal moved off the screen. Nothing can erase these, and they are
    /// returned with the number of the row that they belong to.
    pub fn resized(
        &mut self,
        columns: usize,
        cursor_row: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Vec<(usize, Row)> {
        let before = std::mem::replace(&mut self.columns, columns);
        if columns == before || self.shown.rows.is_empty() {
            self.erase(out);
            return vec![];
        }
        self.paused = None;
        let wrapped = |(at, row): (usize, &Row)| -> Vec<(usize, Row)> {
            let rows = if self.reflows { wrap(&row.line, columns) } else { vec![row.clone()] };
            rows.into_iter().map(|row| (at, row)).collect()
        };
        let mut rows: Vec<_> = self.shown.rows.iter().enumerate().flat_map(wrapped).collect();
        let own = if self.reflows { self.column.unwrap_or(0) / columns } else { 0 };
        let above = rows.iter().filter(|(at, _)| *at < self.row).count() + own;
        let lost = cursor_row.map_or(0, |row| above.saturating_sub(row));
        let left = rows.split_off(lost.min(rows.len()));
        out.push(b'\r');
        up(above - lost, out);
        for row in 0..left.len() {
            if row > 0 {
                out.push(b'\n');
            }
            out.extend_from_slice(ERASE_RIGHT);
        }
        up(left.len().saturating_sub(1), out);
        self.shown = Block::default();
        self.row = 0;
        self.column = Some(0);
        rows
    }

    /// Called when the screen shows something else: the block is gone, and the cursor is at a row's
    /// beginning.
    pub fn forget(&mut self) {
        self.shown = Block::default();
        self.row = 0;
        self.column = Some(0);
        self.paused = None;
    }

    fn write_transcript(&mut self, parts: &[Part], out: &mut Vec<u8>) {
        let mut style = Style::PLAIN;
        if let Some(paused) = self.paused.take() {
            up(1, out);
            column(paused.row_width - grapheme_width(&paused.grapheme), out);
            self.palette.change(style, paused.style, out);
            style = paused.style;
            out.extend_from_slice(paused.grapheme.as_bytes());
        }
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            style = self.write(&part.row.line, style, out);
            match &part.end {
                End::Wrap => {}
                End::Pause(..) if at < last => {}
                End::Line => {
                    self.palette.change(style, Style::PLAIN, out);
                    style = Style::PLAIN;
                    out.extend_from_slice(b"\r\n");
                }
                End::Pause(grapheme, of) => {
                    self.paused =
                        Some(Paused { grapheme: grapheme.clone(), style: *of, row_width: part.row.width });
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
        self.palette.change(style, Style::PLAIN, out);
    }

    fn write(&self, line: &Line, from: Style, out: &mut Vec<u8>) -> Style {
        let mut style = from;
        for span in line.spans() {
            self.palette.change(style, span.style(), out);
            style = span.style();
            out.extend_from_slice(span.text().as_bytes());
        }
        style
    }

    /// Writes only the difference between the shown and the wanted block.
    fn change(&mut self, block: &Block, out: &mut Vec<u8>) {
        let shown = std::mem::take(&mut self.shown);
        let empty = Row::default();
        for (at, row) in block.rows.iter().enumerate() {
            let old = shown.rows.get(at);
            if at > 0 && old.is_none() {
                self.move_to(at - 1, 0, out);
                out.extend_from_slice(b"\r\n");
                self.row = at;
                self.column = Some(0);
            }
            let old = old.unwrap_or(&empty);
            if old != row {
                self.change_row(at, old, row, out);
            }
        }
        for at in block.rows.len()..shown.rows.len() {
            self.move_to(at, 0, out);
            out.extend_from_slice(ERASE_RIGHT);
        }
        self.move_to(block.cursor_row, block.cursor_column, out);
        self.shown = block.clone();
    }

    fn change_row(&mut self, at: usize, old: &Row, new: &Row, out: &mut Vec<u8>) {
        let same = common_columns(old, new);
        let is_certain = new.line.graphemes().all(|(grapheme, _)| is_certain(grapheme));
        // A row that becomes shorter is erased from its beginning: tmux treats cells that were erased after
        // others as text, and gives them a separate row when the window becomes narrower.
        let is_shorter = old.width > new.width;
        let same = if is_certain && !is_shorter { same } else { 0 };
        self.move_to(at, same, out);
        if !is_certain {
            out.extend_from_slice(WRAP_OFF);
        }
        if !is_certain || is_shorter {
            out.extend_from_slice(ERASE_RIGHT);
        }
        let mut skipped = 0;
        let mut style = Style::PLAIN;
        for (grapheme, of) in new.line.graphemes() {
            if skipped < same {
                skipped += grapheme_width(grapheme);
                continue;
            }
            self.palette.change(style, of, out);
            style = of;
            out.extend_from_slice(grapheme.as_bytes());
        }
        self.palette.change(style, Style::PLAIN, out);
        if !is_certain {
            out.extend_from_slice(WRAP_ON);
        }
        self.column = (is_certain && new.width < self.columns).then_some(new.width);
    }

    /// Moves the cursor inside the block.
    fn move_to(&mut self, to_row: usize, to_column: usize, out: &mut Vec<u8>) {
        if to_row < self.row {
            up(self.row - to_row, out);
        } else if to_row > self.row {
            let down = to_row - self.row;
            out.extend_from_slice(&b"\n\n\n\n"[..down.min(4)]);
            if down > 4 {
                out.extend_from_slice(format!("\x1b[{}B", down - 4).as_bytes());
            }
            if self.is_cooked {
                self.column = Some(0);
            }
        }
        self.row = to_row;
        if self.column != Some(to_column) {
            column(to_column, out);
            self.column = Some(to_column);
        }
    }
}

fn up(rows: usize, out: &mut Vec<u8>) {
    match rows {
        0 => {}
        1 => out.extend_from_slice(b"\x1b[A"),
        rows => out.extend_from_slice(format!("\x1b[{rows}A").as_bytes()),
    }
}

fn column(at: usize, out: &mut Vec<u8>) {
    match at {
        0 => out.push(b'\r'),
        at => out.extend_from_slice(format!("\x1b[{}G", at + 1).as_bytes()),
    }
}

/// The number of equal columns at the beginning of two rows.
fn common_columns(old: &Row, new: &Row) -> usize {
    let same = old.line.graphemes().zip(new.line.graphemes()).take_while(|(a, b)| a == b);
    same.map(|(_, (grapheme, _))| grapheme_width(grapheme)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_app::settings::Theme;

    fn block(lines: &[&str]) -> Block {
        let rows: Vec<Row> =
            lines.iter().map(|line| Row::clipped(&Line::styled(line, Style::PLAIN), 80)).collect();
        Block { cursor_row: rows.len() - 1, cursor_column: 0, rows }
    }

    fn shows(lines: &[&str]) -> Painter {
        let palette = Palette::of(Theme::None, false, &towline_app::settings::Shades::default());
        let mut painter = Painter::new(palette, true, 80);
        painter.paint(&[], &block(lines), &mut vec![]);
        painter
    }

    #[test]
    fn a_row_that_becomes_shorter_is_erased_from_its_beginning() {
        let mut out = vec![];
        shows(&["above", "one two"]).paint(&[], &block(&["above", "one"]), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "\x1b[Kone\r");
        out.clear();
        shows(&["above", "one"]).paint(&[], &block(&["above", "one two"]), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "\x1b[4G two\r");
    }

    #[test]
    fn rows_that_the_terminal_moved_off_the_screen_are_reported() {
        let lines = ["a".repeat(50), "b".repeat(50), "> ".into()];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let gone = |cursor_row| {
            let mut out = vec![];
            let gone = shows(&lines).resized(20, cursor_row, &mut out);
            let gone: Vec<_> = gone.iter().map(|(at, row)| (*at, row.line.text())).collect();
            (gone, String::from_utf8(out).unwrap())
        };
        let erased = |rows: usize| format!("\x1b[K{}", "\n\x1b[K".repeat(rows - 1));
        assert_eq!(gone(None), (vec![], format!("\r\x1b[6A{}\x1b[6A", erased(7))));
        assert_eq!(gone(Some(6)), gone(None));
        let (a, b) = ("a".repeat(20), "b".repeat(20));
        let (rows, out) = gone(Some(2));
        assert_eq!(rows, [(0, a.clone()), (0, a), (0, "a".repeat(10)), (1, b)]);
        assert_eq!(out, format!("\r\x1b[2A{}\x1b[2A", erased(3)));
    }
}
