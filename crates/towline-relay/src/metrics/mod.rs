//! Metrics in the text format of Prometheus. A dozen lines need no library.

mod answers;
mod histogram;

use answers::Answers;
pub(crate) use answers::{Measured, Series};
pub(crate) use histogram::Histogram;

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that have no other owner.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) begun: AtomicU64,
    /// Those that have ended.
    pub(crate) answers: Answers,
}

impl Metrics {
    pub(crate) fn count_begun(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }
}

/// A label's value, with what must be escaped.
pub(crate) fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}
