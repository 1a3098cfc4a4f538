//! Columns of text.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::output::{self, Out, WriteError};
use towline_app::text::safe;

/// Spaces between two columns, and in a table that must fit a terminal.
const GAP: usize = 4;
const NARROW_GAP: usize = 2;

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

    /// Adds a row; cells may contain untrusted text.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| safe::line(&cell).into_owned()).collect());
    }

    /// Prints it.
    pub fn print(&self, out: &mut Out) -> Result<(), WriteError> {
        for line in self.lines(GAP) {
            out.line(&line)?;
        }
        Ok(())
    }

    /// Prints it so that it fits the terminal, if there is one. Shortens these columns, one after the other,
    /// each down to its minimum width.
    pub fn print_fitting(mut self, elastic: &[(usize, usize)], out: &mut Out) -> Result<(), WriteError> {
        if let Some(width) = output::width() {
            self.fit(width, elastic);
        }
        for line in self.lines(NARROW_GAP) {
            out.line(&line)?;
        }
        Ok(())
    }

    fn fit(&mut self, width: usize, elastic: &[(usize, usize)]) {
        for (column, least) in elastic {
            let whole = self.lines(NARROW_GAP).iter().map(|line| line.width()).max().unwrap_or(0);
            let surplus = whole.saturating_sub(width);
            if surplus == 0 {
                return;
            }
            let widest = self.rows.iter().filter_map(|row| row.get(*column)).map(|cell| cell.width()).max();
            let room = widest.unwrap_or(0).saturating_sub(surplus).max(*least);
            self.rows.iter_mut().filter_map(|row| row.get_mut(*column)).for_each(|cell| cut(cell, room));
        }
    }

    fn lines(&self, gap: usize) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
            cells.collect::<Vec<_>>().join(&" ".repeat(gap)).trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// Shortens a text to this many columns, the last of which marks the cut.
fn cut(text: &mut String, width: usize) {
    if text.width() <= width {
        return;
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used < width
    };
    *text = text.chars().take_while(fits).chain(['…']).collect();
}

/// A text padded with spaces to this many columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_from_elastic_columns() {
        let table = |width| {
            let mut table = Table::new(&["NAME", "QUESTION", "AGE"]);
            table.row(["a-long-name".to_owned(), "東京はどこですか".to_owned(), "1 s".to_owned()]);
            table.fit(width, &[(1, 5), (0, 4)]);
            table.lines(NARROW_GAP)
        };
        assert_eq!(table(80)[1], "a-long-name  東京はどこですか  1 s");
        assert_eq!(table(30)[1], "a-long-name  東京はどこ…  1 s");
        for width in 19..40 {
            assert!(table(width).iter().all(|line| line.width() <= width), "{width}: {:?}", table(width));
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        table.row(["é\u{1b}[1mx".to_owned(), "1 B".to_owned()]);
        table.row(["longer".to_owned(), "2 B".to_owned()]);
        table.row(["東京".to_owned(), "3 B".to_owned()]);
        assert_eq!(
            table.lines(GAP),
            ["NAME       SIZE", "é^[[1mx    1 B", "longer     2 B", "東京       3 B"]
        );
    }
}
