//! The bar of a batch on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use towline::event::Span;

use crate::output;
use crate::term::reflows;

/// A terminal with fewer columns shows no bar, and a still narrower one only counts.
const BAR_COLUMNS: usize = 60;
const RATE_COLUMNS: usize = 40;
/// The rate is shown after this measuring time.
const MEASURED: Duration = Duration::from_secs(1);

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub all: usize,
    /// Ended.
    pub done: usize,
    /// Number of these that did not complete.
    pub failed: usize,
}

/// The bar. Dropping it erases it.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    columns: usize,
    /// The width of the last drawn line.
    drawn: usize,
    began: Instant,
    /// Number of questions that had ended before.
    before: usize,
}

impl Progress {
    /// A bar that starts now.
    pub fn new(count: Count) -> Self {
        let bar = output::stderr_is_terminal().then(|| ProgressBar::new(count.all as u64));
        let mut progress = Self { bar, columns: 0, drawn: 0, began: Instant::now(), before: count.done };
        progress.show(count);
        progress
    }

    /// Draws it.
    pub fn show(&mut self, count: Count) {
        let Some(bar) = &self.bar else { return };
        let columns = output::stderr_width();
        let before = std::mem::replace(&mut self.columns, columns);
        if before != columns {
            if columns < before && reflows() {
                bar.set_draw_target(ProgressDrawTarget::hidden());
                output::stderr(&erased(self.drawn, columns));
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.set_style(style(columns));
        }
        bar.set_position(count.done as u64);
        let line = line(count, self.before, self.began.elapsed(), columns);
        self.drawn = if columns < BAR_COLUMNS { line.len() } else { columns };
        bar.set_message(line);
    }

    /// Prints above the bar.
    pub fn above<T>(&self, say: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Erases a line of this width, which the terminal may have wrapped.
fn erased(drawn: usize, columns: usize) -> String {
    match drawn.div_ceil(columns.max(1)) {
        0 | 1 => "\r\x1b[J".to_owned(),
        rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
    }
}

fn style(columns: usize) -> ProgressStyle {
    let template = if columns < BAR_COLUMNS { "{msg}" } else { "{wide_bar:.cyan/dim} {msg} " };
    ProgressStyle::with_template(template).unwrap_or_else(|error| unreachable!("a fixed template: {error}"))
}

/// `312/1000, 2 failed, 4.1/s, 2m48s left`, as much as fits.
fn line(count: Count, before: usize, elapsed: Duration, columns: usize) -> String {
    let Count { all, done, failed } = count;
    let mut line = format!("{done}/{all}");
    if failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    let now = done.saturating_sub(before);
    if columns >= RATE_COLUMNS && now > 0 && elapsed >= MEASURED {
        let rate = now as f64 / elapsed.as_secs_f64();
        line.push_str(&if rate < 0.95 {
            format!(", {:.1}/min", rate * 60.0)
        } else {
            format!(", {rate:.1}/s")
        });
        let left = Duration::from_secs_f64((all.saturating_sub(done) as f64 / rate).round());
        line.push_str(&format!(", {} left", Span(left)));
    }
    line.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_narrower_window_has_wrapped_is_erased_whole() {
        assert_eq!(erased(80, 40), "\r\x1b[1A\x1b[J");
        assert_eq!(erased(80, 30), "\r\x1b[2A\x1b[J");
        assert_eq!((erased(0, 80), erased(80, 0)), ("\r\x1b[J".into(), "\r\x1b[79A\x1b[J".into()));
    }

    #[test]
    fn a_line_says_rate_failures_and_time_left() {
        let count = Count { all: 1000, done: 310, failed: 2 };
        let line = |columns| line(count, 10, Duration::from_secs(100), columns);
        assert_eq!(line(80), "310/1000, 2 failed, 3.0/s, 3 m 50 s left");
        assert_eq!(line(30), "310/1000, 2 failed");
        assert_eq!(line(10), "310/1000,");
        let count = Count { all: 10, done: 1, failed: 0 };
        assert_eq!(super::line(count, 0, Duration::from_secs(60), 80), "1/10, 1.0/min, 9 m left");
        assert_eq!(super::line(count, 1, Duration::from_secs(60), 80), "1/10", "nothing was measured");
    }
}
