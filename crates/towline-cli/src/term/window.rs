//! The size of the window.
//!
//! A terminal first wraps its rows to the new width and tells the kernel later: tmux up to a quarter of a
//! second later, while a pane is being made smaller. A frame for the old size would be erased from the wrong
//! rows. So the answer of a terminal takes precedence over the kernel's size.

use std::time::{Duration, Instant};

use super::layout::Size;

/// A terminal that contradicts the kernel for this long does not describe this window.
const CONTRADICTION: Duration = Duration::from_secs(1);

/// The size that the terminal reported, next to the kernel's.
#[derive(Debug, Default)]
pub struct Window {
    columns: Option<usize>,
    /// The kernel's size, and since when the terminal has contradicted it.
    contradicted: Option<(Size, Instant)>,
    is_misled: bool,
}

impl Window {
    /// Notes the number of columns that the terminal reports.
    pub fn set_reported_columns(&mut self, columns: usize) {
        self.columns = Some(columns.max(1));
    }

    /// Whether the terminal and the kernel disagree.
    pub fn is_doubtful(&self) -> bool {
        self.contradicted.is_some()
    }

    /// The size to draw for.
    pub fn size(&mut self, kernel: Size, now: Instant) -> Size {
        let differs = |columns: &usize| *columns != kernel.columns && !self.is_misled;
        let Some(columns) = self.columns.filter(differs) else {
            self.contradicted = None;
            return kernel;
        };
        let (_, since) = *self.contradicted.insert(match self.contradicted {
            Some((same, since)) if same == kernel => (same, since),
            Some(_) | None => (kernel, now),
        });
        self.is_misled = now.saturating_duration_since(since) > CONTRADICTION;
        if self.is_misled { kernel } else { Size { columns, ..kernel } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_knows_first_and_the_kernel_in_the_end() {
        let of = |columns| Size { columns, rows: 24 };
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut window = Window::default();
        assert_eq!(window.size(of(80), at(0)), of(80), "nothing was said yet");
        for step in 1..20 {
            window.set_reported_columns(80 - step);
            let behind = of(80 - step / 3);
            assert_eq!(window.size(behind, at(step as u64 * 100)), of(80 - step), "step {step}");
        }
        assert_eq!(window.size(of(40), at(2_000)), of(61), "it is asked before it is drawn for");
        window.set_reported_columns(40);
        assert_eq!(window.size(of(40), at(2_001)), of(40));
        window.set_reported_columns(132);
        assert_eq!(window.size(of(40), at(3_000)), of(132));
        assert_eq!(window.size(of(40), at(5_000)), of(40), "it speaks of another window");
        window.set_reported_columns(132);
        assert_eq!(window.size(of(40), at(5_001)), of(40));
    }
}
