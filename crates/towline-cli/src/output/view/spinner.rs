//! A line on standard error that shows what the command waits for, on a terminal.

use std::time::{Duration, Instant};

use towline::Error;
use towline_app::text::safe;
use unicode_width::UnicodeWidthChar as _;

use crate::output;

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// A wait shorter than this is not shown.
const SHOW_AFTER: Duration = Duration::from_millis(150);
/// The assumed width of a terminal that does not report it, in columns.
const WIDTH: usize = 80;

/// The line. Dropping it erases it.
#[derive(Debug)]
pub struct Spinner {
    enabled: bool,
    since: Instant,
    frame: usize,
    drawn: bool,
}

impl Spinner {
    /// A spinner whose wait starts now.
    pub fn new() -> Self {
        Self { enabled: output::stderr_is_terminal(), since: Instant::now(), frame: 0, drawn: false }
    }

    /// Whether there is a terminal to draw on.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Draws the line: what the command waits for, and how long.
    pub fn draw(&mut self, awaited: &str, retried: &[Error]) {
        let waited = self.since.elapsed();
        if !self.enabled || waited < SHOW_AFTER {
            return;
        }
        let mut text = safe::line(awaited).into_owned();
        if waited >= Duration::from_secs(1) {
            text.push_str(&format!(", {} s", waited.as_secs()));
        }
        if let Some(error) = retried.last() {
            let error = safe::line(&error.message).into_owned();
            text.push_str(&format!(" (try {}: {error})", retried.len() + 1));
        }
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
        let width =
            size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH);
        // A line that wraps cannot be erased.
        let room = width.saturating_sub(4);
        let mut used = 0;
        let fitting = text.chars().take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        });
        let line: String = fitting.collect();
        output::stderr(&format!("\r{} {line}\u{1b}[K", FRAMES[self.frame]));
        self.frame = (self.frame + 1) % FRAMES.len();
        self.drawn = true;
    }

    /// Erases the line.
    pub fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) {
            output::stderr("\r\u{1b}[K");
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.erase();
    }
}
