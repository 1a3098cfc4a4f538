//! Columns of text.

use unicode_width::UnicodeWidthStr as _;

use crate::out::{Out, WriteError};
use towline_app::text::safe;

/// Blanks between two columns.
const GAP: usize = 4;

/// A table: a head and rows of as many cells.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head.
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row; cells may hold text from outside.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| safe::line(&cell).into_owned()).collect());
    }

    /// Prints it.
    pub fn print(&self, out: &mut Out) -> Result<(), WriteError> {
        for line in self.lines() {
            out.line(&line)?;
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
            cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A text with blanks behind it, until it takes so many columns of a terminal.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        table.row(["é\u{1b}[1mx".to_owned(), "1 B".to_owned()]);
        table.row(["longer".to_owned(), "2 B".to_owned()]);
        table.row(["東京".to_owned(), "3 B".to_owned()]);
        assert_eq!(table.lines(), ["NAME       SIZE", "é^[[1mx    1 B", "longer     2 B", "東京       3 B"]);
    }
}
