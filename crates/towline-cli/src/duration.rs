//! Durations as people type them: `30s`, `1m30s`, `500ms`, `1.5s`, `none`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A limit on a time; `none` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Option<Duration>);

const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// The longest that can be said: ten years.
const MAX_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

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
        // A bare number is seconds, as for `timeout` and `sleep`.
        let seconds = if text.ends_with(|c: char| c.is_ascii_digit()) && text.chars().all(is_numeric) {
            number(text)?
        } else {
            sum(text)?
        };
        if seconds == 0.0 {
            return Err(BadDuration("a limit of nothing never works; no limit is none"));
        }
        if seconds > MAX_SECONDS {
            return Err(BadDuration("this is longer than ten years"));
        }
        Ok(Self(Some(Duration::from_secs_f64(seconds))))
    }
}

/// The sum of numbers with units.
fn sum(text: &str) -> Result<f64, BadDuration> {
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(BadDuration("this is empty"));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c| !is_numeric(c)).ok_or(BadDuration("the last number has no unit"))?;
        let amount = number(&rest[..digits])?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..letters]);
        let (_, factor) = unit.ok_or(BadDuration("the units are ms, s, m and h"))?;
        seconds += amount * factor;
        rest = &rest[letters..];
    }
    Ok(seconds)
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn number(text: &str) -> Result<f64, BadDuration> {
    text.parse().map_err(|_| BadDuration("this is not a duration"))
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
        ] {
            assert_eq!(text.parse(), Ok(TimeLimit(Some(Duration::from_millis(millis)))), "{text}");
        }
        assert_eq!("none".parse(), Ok(TimeLimit(None)));
        for text in ["", "s", "1x", "-1s", "1m30", "0", "0s", "1e3s", "1..5s", "99999999h", "ten"] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }
}
