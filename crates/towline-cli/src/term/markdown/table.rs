//! Fits a table to the screen: its columns shrink, and cells are broken between words; if not even the words
//! fit, each row becomes a record.

use towline_app::document::{Align, Rich};

use super::rich;
use crate::term::rows::{Row, widest_word, wrap};
use crate::term::text::{Line, Style};

/// The separator between two cells.
const BETWEEN: &str = " │ ";
const BETWEEN_COLUMNS: usize = 3;

/// The layout of a table: later rows are laid out like the first ones.
#[derive(Debug, Default)]
pub struct Table {
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    /// The columns' widths.
    Columns(Vec<usize>),
    /// One line per cell.
    Records,
}

impl Default for Layout {
    fn default() -> Self {
        Self::Columns(vec![])
    }
}

impl Table {
    /// The lines of rows, the first of which is the header. `is_rest` tells that the header was already
    /// written above earlier rows.
    pub fn push(
        &mut self,
        rows: &[Vec<Rich>],
        align: &[Align],
        is_rest: bool,
        columns: usize,
        lines: &mut Vec<Line>,
    ) {
        let Some((head, rows)) = rows.split_first() else { return };
        let head = cells(head, Style::BOLD);
        let rows: Vec<_> = rows.iter().map(|row| cells(row, Style::PLAIN)).collect();
        let is_new = !is_rest || !self.layout.takes(&rows);
        if is_new {
            self.layout = Layout::of(&head, &rows, columns);
        }
        match &self.layout {
            Layout::Columns(widths) => {
                let rule = rule(widths);
                if is_new {
                    lines.extend(row(&head, align, widths));
                    lines.push(rule.clone());
                }
                // Rows with several lines would run into each other.
                let is_tall =
                    rows.iter().any(|row| row.iter().zip(widths).any(|(cell, most)| cell.width() > *most));
                for (number, cells) in rows.iter().enumerate() {
                    if is_tall && (number > 0 || !is_new) {
                        lines.push(rule.clone());
                    }
                    lines.extend(row(cells, align, widths));
                }
            }
            Layout::Records => {
                for (number, cells) in rows.iter().enumerate() {
                    if number > 0 || !is_new {
                        lines.push(Line::styled("──", Style::DIM));
                    }
                    lines.extend(record(&head, cells));
                }
                if rows.is_empty() {
                    lines.extend(record(&head, &[]));
                }
            }
        }
    }
}

impl Layout {
    fn of(head: &[Line], rows: &[Vec<Line>], columns: usize) -> Self {
        let most = |column: usize, width: fn(&Line) -> usize| {
            let cells = rows.iter().map(Vec::as_slice).chain([head]).filter_map(|row| row.get(column));
            cells.map(width).max().unwrap_or(0)
        };
        let of_columns =
            |width: fn(&Line) -> usize| (0..head.len()).map(|at| most(at, width)).collect::<Vec<_>>();
        let room = columns.checked_sub(BETWEEN_COLUMNS * head.len().saturating_sub(1));
        let least = of_columns(widest_word);
        match room.and_then(|room| shares(&of_columns(Line::width), &least, room)) {
            Some(widths) => Self::Columns(widths),
            None => Self::Records,
        }
    }

    /// Whether more rows fit into this layout.
    fn takes(&self, rows: &[Vec<Line>]) -> bool {
        match self {
            Self::Columns(widths) => {
                rows.iter().all(|row| row.iter().zip(widths).all(|(cell, most)| widest_word(cell) <= *most))
            }
            Self::Records => true,
        }
    }
}

/// Column widths that fit into the room: narrow columns get their full width, the others share the rest evenly,
/// and none is narrower than its widest word. `None` if the words do not fit.
fn shares(wanted: &[usize], least: &[usize], room: usize) -> Option<Vec<usize>> {
    if least.iter().sum::<usize>() > room {
        return None;
    }
    // The largest maximum column width that fits.
    let of = |most: usize| wanted.iter().zip(least).map(move |(want, least)| (*want).min(most).max(*least));
    let widest = wanted.iter().copied().max().unwrap_or(0);
    let (mut fits, mut too_wide) = (0, widest + 1);
    while too_wide - fits > 1 {
        let middle = usize::midpoint(fits, too_wide);
        if of(middle).sum::<usize>() <= room { fits = middle } else { too_wide = middle }
    }
    let mut widths: Vec<usize> = of(fits).collect();
    let mut left = room - widths.iter().sum::<usize>().min(room);
    for (width, want) in widths.iter_mut().zip(wanted) {
        if *width < *want && left > 0 {
            *width += 1;
            left -= 1;
        }
    }
    Some(widths)
}

fn cells(row: &[Rich], style: Style) -> Vec<Line> {
    let one = |cell: &Rich| {
        let mut whole = Line::default().in_words(Line::default());
        for line in rich::lines(cell, style) {
            whole.append(line);
        }
        whole
    };
    row.iter().map(one).collect()
}

fn rule(widths: &[usize]) -> Line {
    let parts: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
    Line::styled(&parts.join("─┼─"), Style::DIM)
}

/// A row of the table, with as many lines as its tallest cell.
fn row(cells: &[Line], align: &[Align], widths: &[usize]) -> Vec<Line> {
    let width_of = |at: usize| widths.get(at).copied().unwrap_or(0);
    let wrapped: Vec<Vec<Row>> =
        cells.iter().enumerate().map(|(at, cell)| wrap(cell, width_of(at).max(1))).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|number| {
            let mut shown = Line::default();
            for (at, cell) in wrapped.iter().enumerate() {
                let part = cell.get(number).cloned().unwrap_or_default();
                let gap = width_of(at).saturating_sub(part.width);
                let (left, right) = match align.get(at) {
                    Some(Align::Right) => (gap, 0),
                    Some(Align::Center) => (gap / 2, gap - gap / 2),
                    Some(Align::Left) | None => (0, gap),
                };
                shown.push(&" ".repeat(left), Style::PLAIN);
                shown.append(part.line);
                if at + 1 < wrapped.len() {
                    shown.push(&" ".repeat(right), Style::PLAIN);
                    shown.push(BETWEEN, Style::DIM);
                }
            }
            shown
        })
        .collect()
}

/// A row as a record: one line per cell, after its column's header.
fn record(head: &[Line], cells: &[Line]) -> Vec<Line> {
    let none = Line::default();
    let one = |at: usize| {
        let mut line = Line::default();
        if let Some(head) = head.get(at).filter(|head| !head.is_empty()) {
            line.append(head.clone());
            line.push(": ", Style::DIM);
        }
        line.append(cells.get(at).unwrap_or(&none).clone());
        line.in_words(Line::styled("  ", Style::PLAIN))
    };
    (0..head.len().max(cells.len())).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn columns_share_the_room() {
        for (wanted, least, room, widths) in [
            (&[3, 4][..], &[3, 4][..], 10, Some(&[3, 4][..])),
            (&[4, 40, 40], &[4, 5, 5], 44, Some(&[4, 20, 20])),
            (&[4, 40, 41], &[4, 5, 5], 45, Some(&[4, 21, 20])),
            (&[30, 10], &[20, 3], 30, Some(&[20, 10])),
            (&[30, 10], &[28, 3], 30, None),
            (&[], &[], 10, Some(&[])),
        ] {
            assert_eq!(shares(wanted, least, room).as_deref(), widths, "{wanted:?} in {room}");
        }
    }
}
