//! The layout of the block. Pure functions: from the visible state and a size to rows.

use towline_app::text::safe;

use super::editor::{Menu, View};
use super::painter::Block;
use super::rows::{Row, wrap};
use super::text::{Color, Line, Style, grapheme_width, graphemes, width};
use crate::term::screen::Status;

/// Number of rows of the completion menu.
const MENU_ROWS: usize = 5;
/// Maximum amount of text that is laid out around the cursor.
const WINDOW_BYTES: usize = 4 << 10;

/// The size of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// The rows above the input: the end of the pending text, and the status row.
#[derive(Debug, Default)]
pub struct UpperRows {
    pub rows: Vec<Row>,
    /// The number of rows at the beginning that hold all pending text; 0 if only its end is shown.
    pub pending: usize,
}

impl UpperRows {
    pub fn new(pending: &[Line], status: Option<&Status>, size: Size, input_rows: usize) -> Self {
        let status = status.map(|status| status_row(status, size.columns));
        // One row of the screen stays free above the block.
        let room = size.rows.saturating_sub(1 + input_rows + usize::from(status.is_some()));
        let mut rows: Vec<Row> = vec![];
        let mut left = pending.len();
        while left > 0 && rows.len() < room {
            left -= 1;
            rows.splice(0..0, wrap(&pending[left], size.columns));
        }
        let pending = if left == 0 { rows.len() } else { 0 };
        let mut upper = Self { rows, pending };
        upper.clip(room);
        upper.rows.extend(status);
        upper
    }

    /// Keeps only the last rows, this many.
    pub fn clip(&mut self, room: usize) {
        let above = self.rows.len().saturating_sub(room);
        if above > 0 {
            self.rows.drain(..above);
            self.pending = 0;
        }
    }
}

/// The input with its cursor, and the menu below it, at most `room` rows.
pub fn input(prompt: &str, view: &View<'_>, size: Size, room: usize) -> Block {
    let room = room.max(1);
    let menu = view.menu.map_or_else(Vec::new, |menu| menu_rows(menu, size.columns, MENU_ROWS.min(room - 1)));
    let mut block = input_rows(prompt, view, size.columns);
    let room = room - menu.len();
    if block.rows.len() > room {
        let first = (block.cursor_row + 1).saturating_sub(room).min(block.rows.len() - room);
        block.rows.drain(..first);
        block.rows.truncate(room);
        block.cursor_row -= first;
    }
    block.rows.extend(menu);
    block
}

/// Rows of cells, filled from left to right.
struct Rows {
    columns: usize,
    done: Vec<Row>,
    row: Row,
}

impl Rows {
    fn push(&mut self, text: &str, style: Style) {
        for grapheme in graphemes(text) {
            let width = grapheme_width(grapheme);
            if self.row.width + width > self.columns {
                self.next();
            }
            self.row.push(grapheme, style);
        }
    }

    fn next(&mut self) {
        self.done.push(std::mem::take(&mut self.row));
    }

    /// The position of the next character.
    fn position(&mut self) -> (usize, usize) {
        if self.row.width >= self.columns {
            self.next();
        }
        (self.done.len(), self.row.width)
    }
}

fn input_rows(prompt: &str, view: &View<'_>, columns: usize) -> Block {
    let (text, cursor) = window(view.text, view.cursor);
    let mut rows = Rows { columns, done: vec![], row: Row::default() };
    let mut at = None;
    match &view.search {
        Some(search) => rows.push(&safe::row(search), Style::DIM),
        None => rows.push(&safe::row(prompt), Style { bold: true, ..Style::color(Color::Cyan) }),
    }
    let mut start = 0;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            rows.next();
            rows.push("  ", Style::PLAIN);
        }
        let end = start + line.len();
        if (start..=end).contains(&cursor) {
            rows.push(&safe::row(&text[start..cursor]), Style::PLAIN);
            at = Some(rows.position());
            rows.push(&safe::row(&text[cursor..end]), Style::PLAIN);
        } else {
            rows.push(&safe::row(line), Style::PLAIN);
        }
        start = end + 1;
    }
    if let Some(hint) = &view.hint {
        // Shows as much as fits into this row: a hint must not move anything.
        let room = columns.saturating_sub(rows.row.width);
        let line = Line::styled(hint.lines().next().unwrap_or_default(), Style::DIM);
        rows.row.line.append(Row::clipped(&line, room).line);
        rows.row.width = rows.row.line.width();
    }
    rows.next();
    let (cursor_row, cursor_column) = at.unwrap_or((0, 0));
    Block { rows: rows.done, cursor_row, cursor_column }
}

/// The part of a text around the cursor that can be visible.
fn window(text: &str, cursor: usize) -> (&str, usize) {
    let start = text.floor_char_boundary(cursor.saturating_sub(WINDOW_BYTES));
    let end = text.ceil_char_boundary((cursor + WINDOW_BYTES).min(text.len()));
    (&text[start..end], cursor - start)
}

fn menu_rows(menu: &Menu, columns: usize, room: usize) -> Vec<Row> {
    let widest = menu.items.iter().map(|item| width(&safe::row(item))).max().unwrap_or(0);
    let cell = (widest + 2).min(columns);
    let across = (columns / cell.max(1)).max(1);
    let rows = menu.items.len().div_ceil(across);
    let selected_row = menu.selected.map_or(0, |selected| selected / across);
    let first = (selected_row + 1).saturating_sub(room);
    let mut shown = vec![];
    for row in first..rows.min(first + room) {
        let mut line = Line::default();
        for at in row * across..((row + 1) * across).min(menu.items.len()) {
            let style = if menu.selected == Some(at) { Style::REVERSE } else { Style::DIM };
            line.push(&menu.items[at], style);
            let gap = cell.saturating_sub(width(&safe::row(&menu.items[at])));
            line.push(&" ".repeat(gap), Style::PLAIN);
        }
        shown.push(Row::clipped(&line, columns));
    }
    shown
}

/// Kept short, because a row as wide as the window would be wrapped when the window becomes narrower.
fn status_row(status: &Status, columns: usize) -> Row {
    let mut line = Line::default();
    for (text, style) in [
        (&status.front, Style::DIM),
        (&status.trouble, Style::color(Color::Yellow)),
        (&status.others, Style::DIM),
    ] {
        if !text.is_empty() {
            line.push(if line.is_empty() { "" } else { " · " }, Style::DIM);
            line.push(text, style);
        }
    }
    Row::clipped(&line, columns.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str, cursor: usize) -> View<'_> {
        View { search: None, text, cursor, hint: None, menu: None }
    }

    fn check(text: &str, columns: usize, rows: &[&str], cursor: (usize, usize)) {
        let at = text.find('|').unwrap();
        let block = input("> ", &view(&text.replace('|', ""), at), Size { columns, rows: 24 }, 10);
        let shown: Vec<_> = block.rows.iter().map(|row| row.line.text()).collect();
        assert_eq!(shown, rows, "{text}");
        assert_eq!((block.cursor_row, block.cursor_column), cursor, "{text}");
    }

    #[test]
    fn input_wraps_by_column() {
        check("ab|c", 10, &["> abc"], (0, 4));
        check("你好|", 6, &["> 你好", ""], (1, 0));
        check("a你好|", 6, &["> a你", "好"], (1, 2));
        check("ab\nc|d", 10, &["> ab", "  cd"], (1, 3));
        check("👩‍👩‍👧|", 10, &["> 👩‍👩‍👧"], (0, 4));
    }

    #[test]
    fn a_tall_input_shows_the_rows_around_the_cursor() {
        let text = "1\n2\n3\n4\n5";
        let block = input("> ", &view(text, text.len()), Size { columns: 10, rows: 5 }, 2);
        assert_eq!(block.rows.len(), 2);
        assert_eq!(block.rows[1].line.text(), "  5");
        assert_eq!(block.cursor_row, 1);
    }

    #[test]
    fn pending_text_shows_its_end() {
        let pending = [Line::styled("first", Style::PLAIN), Line::styled("abcdefgh", Style::PLAIN)];
        let upper = UpperRows::new(&pending, None, Size { columns: 4, rows: 5 }, 1);
        assert_eq!(upper.pending, 0, "its beginning is not shown");
        let shown: Vec<_> = upper.rows.iter().map(|row| row.line.text()).collect();
        assert_eq!(shown, ["t", "abcd", "efgh"]);
    }
}
