//! Offsets: a byte position in a log, and the incarnation of the log that issued it.

use std::fmt;

/// The largest number that fits into the digits of an offset.
const MAX: u64 = 9_999_999_999_999_999;
const DIGITS: usize = 16;

/// A place in a log.
///
/// Written as `<incarnation>_<position>`, both with 16 decimal digits, so offsets sort as texts. The
/// incarnation changes when the end of a log may have been lost in a machine crash, so that an offset in the
/// lost end is refused and not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Offset {
    /// The incarnation of the log that issued it, from 1.
    pub(crate) incarnation: u64,
    /// Position in bytes, from 0.
    pub(crate) position: u64,
}

impl Offset {
    /// Reads the written form; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (incarnation, position) = text.split_once('_')?;
        Some(Self { incarnation: number(incarnation)?, position: number(position)? })
    }
}

fn number(text: &str) -> Option<u64> {
    let is_written_by_us = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    is_written_by_us.then(|| text.parse().ok())?
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}_{:016}", self.incarnation.min(MAX), self.position.min(MAX))
    }
}

/// The position from which each incarnation wrote, oldest first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Incarnations(Vec<(u64, u64)>);

/// Number of incarnations that a log remembers; offsets of older ones are checked against the oldest
/// remembered one.
const REMEMBERED: usize = 64;

impl Incarnations {
    /// A log that begins in `incarnation`.
    pub(crate) fn beginning(incarnation: u64) -> Self {
        Self(vec![(incarnation, 0)])
    }

    /// A new incarnation continues at `position`; the same one as before changes nothing.
    pub(crate) fn resume(&mut self, incarnation: u64, position: u64) {
        if self.0.last().is_some_and(|(last, _)| *last >= incarnation) {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.remove(1);
        }
        self.0.push((incarnation, position));
    }

    /// The offset of a position, with the incarnation that wrote up to it.
    pub(crate) fn offset(&self, position: u64) -> Offset {
        let writer = self.0.iter().rev().find(|(_, start)| *start < position).or(self.0.first());
        Offset { incarnation: writer.map_or(1, |(incarnation, _)| *incarnation), position }
    }

    /// The offset of a position for a reader that counts bytes from there itself, with the latest
    /// incarnation, which covers everything in the log.
    pub(crate) fn latest(&self, position: u64) -> Offset {
        Offset { incarnation: self.0.last().map_or(1, |(incarnation, _)| *incarnation), position }
    }

    /// Whether the bytes before `offset` are the same as when it was issued; `end` is the log's end.
    pub(crate) fn knows(&self, offset: Offset, end: u64) -> bool {
        let next = self.0.iter().find(|(incarnation, _)| *incarnation > offset.incarnation);
        let known = offset.incarnation <= self.0.last().map_or(0, |(incarnation, _)| *incarnation);
        known && offset.position <= next.map_or(end, |(_, start)| *start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_is_read() {
        let offset = Offset { incarnation: 3, position: 42 };
        assert_eq!(offset.to_string(), "0000000000000003_0000000000000042");
        assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        for text in
            ["", "_", "3_42", "0000000000000003_000000000000004x", "0000000000000003-0000000000000042"]
        {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_of_a_lost_end_are_refused() {
        let mut log = Incarnations::beginning(1);
        let at = |incarnation, position| Offset { incarnation, position };
        assert!(log.knows(at(1, 100), 100));
        assert!(!log.knows(at(1, 101), 100));
        log.resume(2, 80);
        assert!(log.knows(at(1, 80), 200));
        assert!(!log.knows(at(1, 81), 200));
        assert!(log.knows(at(2, 81), 200));
        assert!(!log.knows(at(3, 0), 200));
        // A reader that reads across the seam and keeps counting.
        assert!(log.knows(log.latest(10), 200) && log.knows(Offset { position: 150, ..log.latest(10) }, 200));
        assert_eq!(log.offset(80), at(1, 80));
        assert_eq!(log.offset(81), at(2, 81));
        assert_eq!(log.offset(0), at(1, 0));
    }

    #[test]
    fn offsets_sort_as_texts() {
        let mut log = Incarnations::beginning(1);
        log.resume(2, 9);
        let written: Vec<String> = (0..30).map(|position| log.offset(position).to_string()).collect();
        assert!(written.is_sorted());
    }
}
