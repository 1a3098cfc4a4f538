//! Parses durations and sizes in configuration files.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::de::{Deserialize, Deserializer, Error};
use towline::client::Timeouts;

/// The longest duration, ten years, which is also the value of `none` for a required duration.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A required duration: `none` means ten years.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Ok(optional_time(from)?.unwrap_or(LONGEST))
}

/// A duration, or `none`.
pub(super) fn optional_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    if matches!(text.trim(), "none" | "off" | "never") {
        return Ok(None);
    }
    match length(&text) {
        Some(time) => Ok(Some(time)),
        None => Err(Error::custom("expected a length of time such as 30s, 1m30s, 500ms or none")),
    }
}

/// Parses a point in time: a date such as `2027-01-31`, which means midnight UTC, or a time such as
/// `2027-01-31T12:00:00Z`; `None` for anything else.
pub fn moment(text: &str) -> Option<Timestamp> {
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
    text.parse::<Timestamp>().or_else(|_| text.parse::<Date>().and_then(midnight)).ok()
}

/// A point in time in a file.
pub(super) fn written_moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let expected =
        || Error::custom("expected a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z");
    moment(&String::deserialize(from)?).map(Some).ok_or_else(expected)
}

/// A duration of up to ten years. A bare number means seconds, as for `sleep`.
pub(super) fn length(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parsed = if is_bare { format!("{text}s").parse() } else { text.parse::<SignedDuration>() };
    Duration::try_from(parsed.ok()?).ok().filter(|time| *time <= LONGEST)
}

/// A size, in the type of its field.
pub(super) fn size<'de, D: Deserializer<'de>, N: TryFrom<u64>>(from: D) -> Result<N, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "a number of bytes such as 4096, 512M or 2G")]
    enum Written {
        Number(u64),
        Text(String),
    }
    let number = match Written::deserialize(from)? {
        Written::Number(number) => Some(number),
        Written::Text(text) => bytes(&text),
    };
    let fits = number.and_then(|number| N::try_from(number).ok());
    fits.ok_or_else(|| Error::custom("expected a number of bytes such as 4096, 512M or 2G"))
}

/// Parses a size: `1073741824`, `512M`, `2G`, `2GiB`; `None` for anything else.
pub fn bytes(text: &str) -> Option<u64> {
    let trimmed = text.trim().trim_end_matches("iB").trim_end_matches('B');
    let (digits, unit) = match trimmed.char_indices().last() {
        Some((at, 'K' | 'k')) => (&trimmed[..at], 10),
        Some((at, 'M' | 'm')) => (&trimmed[..at], 20),
        Some((at, 'G' | 'g')) => (&trimmed[..at], 30),
        Some((at, 'T' | 't')) => (&trimmed[..at], 40),
        _ => (trimmed, 0),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << unit)
}

/// The timeouts of an upstream's answer. Each may be `none`, and none may be zero.
pub(super) fn timeouts<'de, D: Deserializer<'de>>(from: D) -> Result<Timeouts, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(default, expecting = "a table [timeouts]")]
    struct Written {
        #[serde(deserialize_with = "clock")]
        connect: Option<Duration>,
        #[serde(deserialize_with = "clock")]
        first_event: Option<Duration>,
        #[serde(deserialize_with = "clock")]
        idle: Option<Duration>,
        #[serde(deserialize_with = "clock")]
        record: Option<Duration>,
        #[serde(deserialize_with = "clock")]
        total: Option<Duration>,
    }
    impl Default for Written {
        fn default() -> Self {
            let Timeouts { connect, first_event, idle, record, total } = Timeouts::default();
            Self { connect, first_event, idle, record, total }
        }
    }
    let Written { connect, first_event, idle, record, total } = Written::deserialize(from)?;
    Ok(Timeouts { connect, first_event, idle, record, total })
}

fn clock<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    match optional_time(from)? {
        Some(Duration::ZERO) => {
            Err(Error::custom("a time limit of 0 leaves no time; write none for no limit"))
        }
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_written() {
        for (text, expected) in
            [("0", 0), ("17", 17), ("1K", 1024), ("512M", 512 << 20), ("2GiB", 2 << 30), ("1 TB", 1 << 40)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for wrong in ["", "G", "1.5G", "-1", "99999999999T", "1X"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_read_as_written() {
        for (text, ms) in
            [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("1.5s", 1500), ("0s", 0), ("30", 30_000)]
        {
            assert_eq!(length(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "s", "1x", "-1s", "1..5", "99999999h", "ten"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }
}
