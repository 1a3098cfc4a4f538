//! Formats sizes, ages and durations for people. Sizes and ages have the form of `ollama list`.

use std::time::Duration;

use jiff::Timestamp;
use towline::event::Span;

/// A size in decimal units: `4.7 GB`, `815 MB`, `12 B`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)];
    for (unit, size) in UNITS {
        if bytes >= size {
            let value = bytes as f64 / size as f64;
            return if value < 10.0 && !bytes.is_multiple_of(size) {
                format!("{value:.1} {unit}")
            } else {
                format!("{} {unit}", bytes / size)
            };
        }
    }
    format!("{bytes} B")
}

/// How long ago, or how far ahead, a time in RFC 3339 is: `2 weeks ago`, `4 minutes from now`.
pub fn when(time: &str, now: Timestamp) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return "unknown".to_owned() };
    // Go's zero time means a time that was never set.
    if time.as_second() < -62_000_000_000 {
        return "never".to_owned();
    }
    let seconds = now.duration_since(time).as_secs();
    if seconds >= 0 { format!("{} ago", span(seconds)) } else { format!("{} from now", span(-seconds)) }
}

/// A running time: to a tenth of a second, and from 10 s on to the second.
pub fn running(time: Duration) -> Span {
    let step_ms = if time < Duration::from_secs(10) { 100 } else { 1000 };
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Span(Duration::from_millis(ms.saturating_add(step_ms / 2) / step_ms * step_ms))
}

/// A duration in its largest unit.
fn span(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let half_up = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        MINUTE..120 => "About a minute".to_owned(),
        120..HOUR => format!("{} minutes", seconds / MINUTE),
        _ if half_up == 1 => "About an hour".to_owned(),
        _ if half_up < 48 => format!("{half_up} hours"),
        _ if seconds < 14 * DAY => format!("{} days", seconds / DAY),
        _ if seconds < 60 * DAY => format!("{} weeks", seconds / (7 * DAY)),
        _ if seconds < 730 * DAY => format!("{} months", seconds / (30 * DAY)),
        _ => format!("{} years", seconds / (365 * DAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (given, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 KB"),
            (1_500, "1.5 KB"),
            (12_345, "12 KB"),
            (4_661_224_676, "4.7 GB"),
            (815_319_791, "815 MB"),
            (2_000_000_000_000, "2 TB"),
        ] {
            assert_eq!(bytes(given), shown);
        }
    }

    #[test]
    fn ages() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (time, shown) in [
            ("2026-11-21T12:00:00Z", "Less than a second ago"),
            ("2026-11-21T11:59:30Z", "30 seconds ago"),
            ("2026-11-21T11:58:30Z", "About a minute ago"),
            ("2026-11-21T13:30:00.123456789+02:00", "29 minutes ago"),
            ("2026-11-21T11:00:00Z", "About an hour ago"),
            ("2026-11-20T06:00:00Z", "30 hours ago"),
            ("2026-11-14T12:00:00Z", "7 days ago"),
            ("2026-10-31T12:00:00Z", "3 weeks ago"),
            ("2026-06-21T12:00:00Z", "5 months ago"),
            ("2023-06-21T12:00:00Z", "3 years ago"),
            ("2026-11-21T12:04:59Z", "4 minutes from now"),
            ("0001-01-01T00:00:00Z", "never"),
            ("", "unknown"),
        ] {
            assert_eq!(when(time, now), shown, "{time}");
        }
    }
}
