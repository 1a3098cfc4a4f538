//! Numbers for people.

use std::time::Duration;

/// A size on disk or in memory.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A time span, to the second.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [bytes(7), bytes(2_500), bytes(3_000_000), bytes(4_700_000_000)],
            ["7 B", "2 kB", "3 MB", "4.7 GB"]
        );
        let spans = [5, 65, 3_725].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["5 s", "1:05", "1:02:05"]);
    }
}
