//! Parses durations: `30s`, `1m30s`, `500ms`, `1.5s`, `none`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

/// A time limit; `none` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Option<Duration>);

/// The longest duration: ten years.
const MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDuration(&'static str);

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write it as 30s, 1m30s, 500ms or none", self.0)
    }
}

impl std::error::Error for BadDuration {}

impl FromStr for TimeLimit {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let text = text.trim();
        if matches!(text, "none" | "off" | "never") {
            return Ok(Self(None));
        }
        let time = length(text)?;
        if time.is_zero() {
            return Err(BadDuration("a time limit of 0 leaves no time; write none for no limit"));
        }
        if time > MAX {
            return Err(BadDuration("this is longer than ten years"));
        }
        Ok(Self(Some(time)))
    }
}

/// Parses a duration, which may be zero. A bare number means seconds, as for `timeout` and `sleep`.
///
/// # Errors
/// If the text is not a duration, or is negative.
pub fn length(text: &str) -> Result<Duration, BadDuration> {
    let is_bare =
        text.ends_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let parsed = if is_bare { format!("{text}s").parse() } else { text.parse::<SignedDuration>() };
    let time = parsed.map_err(|_| BadDuration("this is not a duration"))?;
    Duration::try_from(time).map_err(|_| BadDuration("this is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5s", 1500),
            ("2h", 7_200_000),
            ("30", 30_000),
            ("0.5", 500),
            ("1 hour 2 minutes", 3_720_000),
        ] {
            assert_eq!(text.parse(), Ok(TimeLimit(Some(Duration::from_millis(millis)))), "{text}");
        }
        assert_eq!("none".parse(), Ok(TimeLimit(None)));
        for text in ["", "s", "1x", "-1s", "1m30", "0", "0s", "1e3s", "1..5s", "99999999h", "ten"] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }
}
