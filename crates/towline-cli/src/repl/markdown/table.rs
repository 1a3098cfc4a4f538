//! A table, aligned by columns of the screen.

use towline_app::document::{Align, Rich};

use super::rich;
use crate::repl::term::text::{Line, Style};

/// The widths of a table's columns: the rows that come later are as wide as the first.
#[derive(Debug, Default)]
pub struct Table {
    widths: Vec<usize>,
}

impl Table {
    /// The lines of rows, the first of them a head. `is_rest` says that the head stands above earlier ones.
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
        if !is_rest {
            // A cell too wide for the screen is not padded for: its row is wrapped by the terminal.
            let width = |column: usize| {
                let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
                cells.map(Line::width).max().unwrap_or(0).min(columns.max(1))
            };
            self.widths = (0..head.len()).map(width).collect();
            lines.push(row(&head, align, &self.widths));
            let parts: Vec<_> = self.widths.iter().map(|width| "─".repeat(*width)).collect();
            lines.push(Line::styled(&parts.join("─┼─"), Style::DIM));
        }
        lines.extend(rows.iter().map(|cells| row(cells, align, &self.widths)));
    }
}

fn cells(row: &[Rich], style: Style) -> Vec<Line> {
    let one = |cell: &Rich| {
        let mut whole = Line::default();
        for line in rich::lines(cell, style) {
            whole.append(line);
        }
        whole
    };
    row.iter().map(one).collect()
}

fn row(cells: &[Line], align: &[Align], widths: &[usize]) -> Line {
    let mut shown = Line::default();
    for (at, cell) in cells.iter().enumerate() {
        let gap = widths.get(at).map_or(0, |width| width.saturating_sub(cell.width()));
        let (left, right) = match align.get(at) {
            Some(Align::Right) => (gap, 0),
            Some(Align::Center) => (gap / 2, gap - gap / 2),
            Some(Align::Left) | None => (0, gap),
        };
        shown.push(&" ".repeat(left), Style::PLAIN);
        shown.append(cell.clone());
        if at + 1 < cells.len() {
            shown.push(&" ".repeat(right), Style::PLAIN);
            shown.push(" │ ", Style::DIM);
        }
    }
    shown
}
