//! A snapshot of a job, for display.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towline_core::job::JobState;

use super::JobId;
use super::cell::Cell;

/// A snapshot of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobInfo {
    /// The number of the job, unique in its engine.
    pub id: JobId,
    /// The name that the job was given, else the model's.
    pub name: Arc<str>,
    /// The group of the job.
    pub group: Option<Arc<str>>,
    /// The model that the job asks.
    pub model: Option<Arc<str>>,
    /// The state of the job.
    pub state: JobState,
    /// Records received.
    pub records: u64,
    /// Bytes of response received.
    pub received_bytes: u64,
    /// Pieces of text received; most servers send one token per piece.
    pub tokens: u64,
    /// Tokens per second since the first one; fixed at the end of the job.
    pub tokens_per_second: f64,
    /// Time since the job was submitted; fixed at its end.
    pub age: Duration,
    /// Time since the last event, while the job receives.
    pub since_last_event: Option<Duration>,
    /// Time until the deadline, zero if that has passed. `None` without a deadline, and after the end.
    pub deadline_in: Option<Duration>,
    /// Size of the log, in bytes.
    pub log_bytes: usize,
    /// The log is full of unread events, and the job is *paused* until a reader reads.
    pub log_full: bool,
}

impl Cell {
    pub(super) fn info(&self) -> JobInfo {
        let inner = self.inner();
        let now = inner.ended.unwrap_or_else(Instant::now);
        let ended = inner.state.is_ended();
        let seconds =
            inner.first_event.map_or(0.0, |first| now.saturating_duration_since(first).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let tokens_per_second = if seconds > 0.0 { inner.tokens as f64 / seconds } else { 0.0 };
        JobInfo {
            id: JobId(self.id),
            name: Arc::clone(&inner.name),
            group: inner.group.clone(),
            model: inner.model.clone(),
            state: inner.state,
            records: inner.stats.records,
            received_bytes: inner.stats.received_bytes,
            tokens: inner.tokens,
            tokens_per_second,
            age: now.saturating_duration_since(self.created),
            since_last_event: inner
                .last_event
                .filter(|_| !ended)
                .map(|last| now.saturating_duration_since(last)),
            deadline_in: inner.orders.deadline.filter(|_| !ended).map(|at| at.saturating_duration_since(now)),
            log_bytes: inner.log.bytes(),
            log_full: inner.full && !ended,
        }
    }
}
