//! Formats durations for people, in one way everywhere.

use std::fmt;
use std::time::Duration;

/// Shows a duration with its significant digits: `250 ms`, `12.5 s`, `2 m 5 s`, `2 h 30 m`.
///
/// Precision: milliseconds below a second, tenths below 100 s, seconds below two hours, and minutes beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = rounded(self.0, 1);
        if self.0.is_zero() {
            return f.write_str("0 s");
        }
        if ms < 1000 {
            // A duration above zero is never shown as zero.
            return write!(f, "{} ms", ms.max(1));
        }
        let tenths = rounded(self.0, 100);
        if tenths < 1000 {
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if tenth == 0 { write!(f, "{whole} s") } else { write!(f, "{whole}.{tenth} s") };
        }
        let seconds = rounded(self.0, 1000);
        let (large, unit, small, smaller) = if seconds < 7200 {
            (seconds / 60, "m", seconds % 60, "s")
        } else {
            let minutes = rounded(self.0, 60_000);
            (minutes / 60, "h", minutes % 60, "m")
        };
        if small == 0 { write!(f, "{large} {unit}") } else { write!(f, "{large} {unit} {small} {smaller}") }
    }
}

/// The duration in steps of `step_ms` milliseconds, rounded.
fn rounded(time: Duration, step_ms: u128) -> u128 {
    let step = step_ms * 1_000_000;
    (time.as_nanos() + step / 2) / step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_mean_something() {
        for (seconds, shown) in [
            (0.0, "0 s"),
            (0.000_001, "1 ms"),
            (0.25, "250 ms"),
            (0.999_4, "999 ms"),
            (0.999_6, "1 s"),
            (1.0, "1 s"),
            (1.25, "1.3 s"),
            (12.462_243_006, "12.5 s"),
            (30.0, "30 s"),
            (99.94, "99.9 s"),
            (99.96, "1 m 40 s"),
            (125.0, "2 m 5 s"),
            (300.0, "5 m"),
            (7199.6, "2 h"),
            (5400.0, "90 m"),
            (9000.0, "2 h 30 m"),
            (86_400.0, "24 h"),
        ] {
            assert_eq!(Span(Duration::from_secs_f64(seconds)).to_string(), shown, "{seconds}");
        }
    }
}
