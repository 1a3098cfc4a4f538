//! What a reader of a stamped stream learns: how old each record was when it came.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STAMP_DIGITS: usize = 19;
const BEFORE_STAMP: &[u8] = b"\"content\":\"";

/// What readers have seen while it was on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    is_on: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The age of each record when it was read.
    pub(crate) ages: Vec<Duration>,
    /// Pieces that came: reads of a socket, or DATA frames.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn switch(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads records from the pieces of one stream.
#[derive(Debug)]
pub(crate) struct Scanner {
    tally: Tally,
    /// The part of a line that has come.
    line: Vec<u8>,
    /// Where the stamp stands in a line; every line but the last is alike.
    stamp_at: usize,
    /// The terminal record has come.
    pub(crate) is_done: bool,
    pub(crate) records: u64,
}

impl Scanner {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally, line: Vec::new(), stamp_at: usize::MAX, is_done: false, records: 0 }
    }

    pub(crate) fn feed(&mut self, piece: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_on = self.tally.is_on.load(Ordering::Relaxed);
        let mut ages = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                break;
            }
            if let Some(stamp) = self.stamp() {
                self.records += 1;
                ages.push(now.saturating_sub(stamp));
            } else if self.line.windows(11).any(|window| window == b"\"done\":true") {
                self.is_done = true;
            }
            self.line.clear();
        }
        if is_on {
            let mut seen = self.tally.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.pieces += 1;
            seen.bytes += piece.len() as u64;
            seen.ages.append(&mut ages);
        }
    }

    fn stamp(&mut self) -> Option<Duration> {
        if let Some(stamp) = self.number() {
            return Some(stamp);
        }
        let at = self.line.windows(BEFORE_STAMP.len()).position(|window| window == BEFORE_STAMP)?;
        self.stamp_at = at + BEFORE_STAMP.len();
        self.number()
    }

    fn number(&self) -> Option<Duration> {
        let digits = self.line.get(self.stamp_at..)?.get(..STAMP_DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok().map(Duration::from_nanos)
    }
}
