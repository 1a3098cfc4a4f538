//! Jobs that other relays run, and the state of own jobs for other relays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use towline::relay::AnswerState;
use towline_core::job::Deadline;

use super::order::end_unread;
use super::{ForwardedOrder, Head, Holder, Job, JobStatus, Recorded, Sent};
use crate::log::StreamLog;
use crate::meta::{JobRecord, now_ms};
use crate::tasks::Tasks;

impl Job {
    /// A job that another relay runs.
    pub(crate) fn elsewhere(log: Arc<StreamLog>, record: &JobRecord, holder: Holder) -> Arc<Self> {
        let kind = Recorded::of_path(&record.path).unwrap_or(Recorded::Chat);
        Self::with_holder(log, kind, record.framing, record.detached, None, Some(holder))
    }

    /// Whether another relay runs it.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.holder.is_some()
    }

    /// Updates its state from the other relay.
    pub(crate) fn is_shown(&self, shown: JobStatus) {
        let mut shared = self.shared();
        if shared.state.is_ended() {
            return;
        }
        let is_open =
            matches!(shown.state, AnswerState::Streaming | AnswerState::Paused) && shown.records > 0;
        if shared.state != AnswerState::Cancelling {
            shared.state = shown.state;
        }
        shared.is_paused = shown.is_paused;
        shared.upstream = shown.upstream;
        shared.records = shown.records;
        shared.tokens = shown.tokens;
        shared.rate = shown.tokens_per_second;
        shared.deadline = shown.deadline_ms.map(instant);
        drop(shared);
        if is_open {
            self.has_head(Head::Open { status: 200, headers: HeaderMap::new() });
        }
        self.changed();
    }

    /// The other relay has ended it.
    pub(crate) fn has_ended(&self, state: AnswerState) {
        self.has_head(Head::Open { status: 200, headers: HeaderMap::new() });
        self.is_now(state);
    }

    /// The state for other relays.
    pub(crate) fn shown(&self) -> JobStatus {
        let snapshot = self.snapshot();
        let shared = self.shared();
        let state = if snapshot.state == AnswerState::Paused { shared.state.clone() } else { snapshot.state };
        JobStatus {
            state,
            is_paused: shared.is_paused,
            upstream: snapshot.upstream,
            records: snapshot.records,
            tokens: snapshot.tokens,
            tokens_per_second: snapshot.tokens_per_second,
            deadline_ms: snapshot.deadline.map(|time| now_ms().saturating_add(millis(time))),
        }
    }

    /// Carries out an order from a client of another relay; ignores one that arrives too late.
    pub(crate) fn apply_order(self: &Arc<Self>, order: ForwardedOrder, grace: Duration, tasks: &Tasks) {
        let _is_over = match order {
            ForwardedOrder::Cancel(reason) => self.cancel(&reason),
            ForwardedOrder::Pause(is_paused) => self.set_paused(is_paused),
            ForwardedOrder::Deadline(None) => self.set_deadline(Deadline::Never),
            ForwardedOrder::Deadline(Some(at)) => {
                self.set_deadline(Deadline::In(Duration::from_millis(at.saturating_sub(now_ms()))))
            }
            ForwardedOrder::Extend(ms) => self.set_deadline(Deadline::ExtendBy(Duration::from_millis(ms))),
            // The registry's.
            ForwardedOrder::Rename(_) => Ok(Sent::local()),
            ForwardedOrder::Readers { relay, count } => {
                self.readers_elsewhere(grace, tasks, |elsewhere| {
                    if count == 0 {
                        elsewhere.remove(&relay);
                    } else {
                        elsewhere.insert(relay, count);
                    }
                });
                Ok(Sent::local())
            }
        };
    }

    /// Removes the readers of dead relays.
    pub(crate) fn retain_readers_of(self: &Arc<Self>, relays: &[u64], grace: Duration, tasks: &Tasks) {
        if !self.shared().elsewhere.is_empty() {
            self.readers_elsewhere(grace, tasks, |elsewhere| {
                elsewhere.retain(|relay, _| relays.contains(relay));
            });
        }
    }

    fn readers_elsewhere(
        self: &Arc<Self>,
        grace: Duration,
        tasks: &Tasks,
        change: impl FnOnce(&mut std::collections::HashMap<u64, usize>),
    ) {
        let mut shared = self.shared();
        let before = shared.all_readers();
        change(&mut shared.elsewhere);
        let have_left = before > 0 && shared.all_readers() == 0;
        drop(shared);
        if have_left {
            end_unread(self, grace, tasks);
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn instant(ms: u64) -> Instant {
    let ahead = Duration::from_millis(ms.saturating_sub(now_ms()));
    Instant::now().checked_add(ahead).unwrap_or_else(Instant::now)
}

/// A deadline in the form in which it is sent.
pub(super) fn deadline_ms(deadline: Option<Instant>) -> Option<u64> {
    let left = deadline?.saturating_duration_since(Instant::now());
    Some(now_ms().saturating_add(millis(left)))
}
