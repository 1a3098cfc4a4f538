//! What a job is, for people who look at it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towline_core::job::JobState;

use super::JobId;
use super::cell::Cell;

/// A job at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct JobInfo {
    /// The job's number, unique in its engine.
    pub id: JobId,
    /// Its name: what it was given, else the model's.
    pub name: Arc<str>,
    /// The group it belongs to.
    pub group: Option<Arc<str>>,
    /// The model it asks.
    pub model: Option<Arc<str>>,
    /// What it is doing.
    pub state: JobState,
    /// Records received.
    pub records: u64,
    /// Bytes of response received.
    pub received_bytes: u64,
    /// Pieces of text received; most servers send one token a piece.
    pub tokens: u64,
    /// Tokens a second since the first one; stops at the job's end.
    pub tokens_per_second: f64,
    /// Since it was submitted; stops at its end.
    pub age: Duration,
    /// Since its last event, while it receives.
    pub since_last_event: Option<Duration>,
    /// Until its deadline, zero when that has passed. `None` without one, and after the end.
    pub deadline_in: Option<Duration>,
    /// Bytes its log holds.
    pub log_bytes: usize,
    /// Its log is full of what nobody has read, and it is *paused* until somebody reads.
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
