//! Which size the window has.
//!
//! A terminal cuts its rows to the new width first and tells the kernel later: tmux, while a pane is being drawn smaller, up to a
//! quarter of a second. A frame made for the old size would be taken off the wrong rows. So a terminal that answers how
//! large it is takes precedence over the kernel.

use std::time::{Duration, Instant};

use super::layout::Size;

/// A terminal that contradicts the kernel for so long does not speak of this window.
const CONTRADICTION: Duration = Duration::from_secs(1);

/// What the terminal said, beside what the kernel says.
#[derive(Debug, Default)]
pub struct Window {
    columns: Option<usize>,
    /// What the kernel says, and since when the terminal says something else.
    contradicted: Option<(Size, Instant)>,
    is_misled: bool,
}

impl Window {
    /// The terminal says how many columns it has.
    pub fn told(&mut self, columns: usize) {
        self.columns = Some(columns.max(1));
    }

    /// Whether terminal and kernel do not agree.
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
            window.told(80 - step);
            let behind = of(80 - step / 3);
            assert_eq!(window.size(behind, at(step as u64 * 100)), of(80 - step), "step {step}");
        }
        assert_eq!(window.size(of(40), at(2_000)), of(61), "it is asked before it is drawn for");
        window.told(40);
        assert_eq!(window.size(of(40), at(2_001)), of(40));
        window.told(132);
        assert_eq!(window.size(of(40), at(3_000)), of(132));
        assert_eq!(window.size(of(40), at(5_000)), of(40), "it speaks of another window");
        window.told(132);
        assert_eq!(window.size(of(40), at(5_001)), of(40));
    }
}
