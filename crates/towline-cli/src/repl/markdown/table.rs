//! A table, aligned by columns of the screen.

use super::inline;
use crate::repl::term::text::{Line, Style};

/// Rows that wait for the table's end; then its widths are settled and further rows come at once.
const WAITING_ROWS: usize = 200;
/// Cells of one row; what follows is one cell.
const CELLS: usize = 64;
/// Lines of an unfinished table that are shown.
const PENDING_LINES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Center,
    Right,
}

/// What a held line became.
#[derive(Debug)]
pub enum Rendered {
    Row(Line),
    /// It was no table after all.
    NoTable(String),
}

#[derive(Debug)]
pub struct Table {
    header: String,
    align: Option<Vec<Align>>,
    delimiter: String,
    rows: Vec<String>,
    widths: Option<Vec<usize>>,
}

/// Whether a table may begin with this line.
pub fn may_begin(line: &str) -> bool {
    line.trim_start().starts_with('|') || line.contains(" | ")
}

impl Table {
    pub fn new(header: &str) -> Self {
        Self { header: header.to_owned(), align: None, delimiter: String::new(), rows: vec![], widths: None }
    }

    /// Whether this line belongs to the table.
    pub fn takes(&self, line: &str) -> bool {
        match self.align {
            None => delimiter(line).is_some_and(|align| align.len() == cells(&self.header).len()),
            Some(_) => line.contains('|'),
        }
    }

    pub fn push(&mut self, line: &str, columns: usize, lines: &mut Vec<Line>) {
        if let (Some(align), Some(widths)) = (&self.align, &self.widths) {
            lines.push(row(line, align, widths, Style::PLAIN));
            return;
        }
        if self.align.is_none() {
            self.align = delimiter(line);
            line.clone_into(&mut self.delimiter);
            return;
        }
        self.rows.push(line.to_owned());
        if self.rows.len() >= WAITING_ROWS {
            for rendered in self.finish(columns) {
                if let Rendered::Row(line) = rendered {
                    lines.push(line);
                }
            }
        }
    }

    /// The rows that wait.
    pub fn finish(&mut self, columns: usize) -> Vec<Rendered> {
        let Some(align) = &self.align else {
            return vec![Rendered::NoTable(std::mem::take(&mut self.header))];
        };
        if self.widths.is_some() {
            return vec![];
        }
        let mut widths = vec![0; align.len()];
        for line in std::iter::once(&self.header).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(cells(line)) {
                *width = (*width).max(inline::render(cell, Style::PLAIN).width());
            }
        }
        // A cell too wide for the screen is not padded for: its row is wrapped by the terminal.
        for width in &mut widths {
            *width = (*width).min(columns.max(1));
        }
        let mut shown =
            vec![Rendered::Row(row(&self.header, align, &widths, Style::BOLD)), Rendered::Row(rule(&widths))];
        shown.extend(self.rows.drain(..).map(|line| Rendered::Row(row(&line, align, &widths, Style::PLAIN))));
        self.widths = Some(widths);
        shown
    }

    /// What waits, as written.
    pub fn pending(&self) -> Vec<Line> {
        if self.widths.is_some() {
            return vec![];
        }
        let delimiter = Some(&self.delimiter).filter(|line| !line.is_empty());
        let lines = std::iter::once(&self.header).chain(delimiter).chain(&self.rows);
        let count = 1 + self.rows.len() + usize::from(delimiter.is_some());
        lines.skip(count.saturating_sub(PENDING_LINES)).map(|line| Line::styled(line, Style::DIM)).collect()
    }
}

/// The cells of a row. A bar after a backslash, or between backticks, divides nothing.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = if line.ends_with("\\|") { line } else { line.strip_suffix('|').unwrap_or(line) };
    let mut cells = vec![];
    let mut start = 0;
    let (mut escaped, mut in_code) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'`' => in_code = !in_code,
            b'|' if !in_code && cells.len() + 1 < CELLS => {
                cells.push(line[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    cells.push(line[start..].trim());
    cells
}

fn delimiter(line: &str) -> Option<Vec<Align>> {
    if !line.contains('-') {
        return None;
    }
    cells(line)
        .into_iter()
        .map(|cell| {
            let bars = cell.trim_matches(':');
            if bars.is_empty() || !bars.bytes().all(|byte| byte == b'-') {
                return None;
            }
            Some(match (cell.starts_with(':'), cell.ends_with(':')) {
                (true, true) => Align::Center,
                (false, true) => Align::Right,
                (true | false, false) => Align::Left,
            })
        })
        .collect()
}

fn row(line: &str, align: &[Align], widths: &[usize], style: Style) -> Line {
    let mut shown = Line::default();
    let cells = cells(line);
    let last = cells.len().max(align.len()) - 1;
    for at in 0..=last {
        let text = inline::render(cells.get(at).copied().unwrap_or_default(), style);
        let gap = widths.get(at).map_or(0, |width| width.saturating_sub(text.width()));
        let (left, right) = match align.get(at) {
            Some(Align::Right) => (gap, 0),
            Some(Align::Center) => (gap / 2, gap - gap / 2),
            Some(Align::Left) | None => (0, gap),
        };
        shown.push(&" ".repeat(left), Style::PLAIN);
        shown.append(text);
        if at < last {
            shown.push(&" ".repeat(right), Style::PLAIN);
            shown.push(" │ ", Style::DIM);
        }
    }
    shown
}

fn rule(widths: &[usize]) -> Line {
    let parts: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
    Line::styled(&parts.join("─┼─"), Style::DIM)
}
