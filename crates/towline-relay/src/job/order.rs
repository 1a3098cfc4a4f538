//! The shared part of a job, which shows its state and takes orders.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::{Notify, watch};
use towline::relay::AnswerState;
use towline_core::job::Deadline;

use super::elsewhere::{deadline_ms, millis};
use super::{ForwardedOrder, Holder, Recorded, Sent};
use crate::log::StreamLog;
use crate::meta::{Framing, JobRecord};
use crate::tasks::Tasks;

/// The head of the answer, for those who wait for it.
#[derive(Debug, Clone)]
pub(crate) enum Head {
    /// Not known yet.
    Pending,
    /// The answer has begun.
    Open {
        /// The server's status.
        status: u16,
        /// Those of the server's that are for the client.
        headers: HeaderMap,
    },
    /// The server refused.
    Refused {
        /// Its status.
        status: u16,
        /// Those of the server's that are for the client.
        headers: HeaderMap,
        /// The server's body, up to the limit for error bodies.
        body: Bytes,
    },
    /// There is no answer, or an incomplete one although the client wants it complete.
    None {
        /// 502, 504, or 499 for a request that was cancelled.
        status: u16,
        /// Why.
        message: String,
    },
}

/// One job. The task that runs it reads the orders; other tasks give them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) log: Arc<StreamLog>,
    pub(crate) kind: Recorded,
    pub(crate) framing: Framing,
    pub(crate) began: Instant,
    state: Mutex<Shared>,
    /// There are new orders.
    pub(crate) ordered: Notify,
    head: watch::Sender<Head>,
    /// Counts changes of state.
    changes: watch::Sender<u64>,
    /// The relay that runs it, if it is not this one.
    pub(super) holder: Option<Holder>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: AnswerState,
    pub(super) is_paused: bool,
    cancel: Option<String>,
    /// Whether the relay's shutdown cancels it.
    is_interrupted: bool,
    pub(super) deadline: Option<Instant>,
    detached: bool,
    readers: usize,
    /// Readers at other relays, by relay.
    pub(super) elsewhere: HashMap<u64, usize>,
    pub(super) upstream: String,
    pub(super) records: u64,
    /// The server's count.
    pub(super) tokens: Option<u64>,
    /// The value from the relay that runs it.
    pub(super) rate: Option<f64>,
    first_record: Option<Instant>,
    last_received: Option<Instant>,
}

/// The orders for the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobOrders {
    pub(crate) cancel: Option<String>,
    pub(crate) is_paused: bool,
    pub(crate) deadline: Option<Instant>,
}

/// A snapshot of a running job.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) state: AnswerState,
    pub(crate) upstream: String,
    pub(crate) records: u64,
    pub(crate) tokens: Option<u64>,
    pub(crate) tokens_per_second: Option<f64>,
    pub(crate) since_last: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) readers: usize,
    pub(crate) detached: bool,
}

/// The error of an order to a job that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsOver;

impl Job {
    pub(crate) fn new(
        log: Arc<StreamLog>,
        kind: Recorded,
        framing: Framing,
        detached: bool,
        deadline: Option<Duration>,
    ) -> Arc<Self> {
        Self::with_holder(log, kind, framing, detached, deadline, None)
    }

    pub(super) fn with_holder(
        log: Arc<StreamLog>,
        kind: Recorded,
        framing: Framing,
        detached: bool,
        deadline: Option<Duration>,
        holder: Option<Holder>,
    ) -> Arc<Self> {
        let began = Instant::now();
        let shared = Shared {
            state: AnswerState::Queued,
            is_paused: false,
            cancel: None,
            is_interrupted: false,
            deadline: deadline.and_then(|time| began.checked_add(time)),
            detached,
            readers: 0,
            elsewhere: HashMap::new(),
            upstream: String::new(),
            records: 0,
            tokens: None,
            rate: None,
            first_record: None,
            last_received: None,
        };
        Arc::new(Self {
            log,
            kind,
            framing,
            began,
            state: Mutex::new(shared),
            ordered: Notify::new(),
            head: watch::Sender::new(Head::Pending),
            changes: watch::Sender::new(0),
            holder,
        })
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A receiver that is notified of every state change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The head of the answer, once it is known.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn head(&self) -> Head {
        let mut head = self.head.subscribe();
        match head.wait_for(|head| !matches!(head, Head::Pending)).await {
            Ok(head) => head.clone(),
            // The job holds the sender.
            Err(_) => Head::None { status: 502, message: "the job is gone".into() },
        }
    }

    pub(crate) fn state(&self) -> AnswerState {
        self.shared().state.clone()
    }

    /// Cancels it. The first reason is kept.
    pub(crate) fn cancel(&self, reason: &str) -> Result<Sent, IsOver> {
        let mut shared = self.shared();
        if shared.state.is_ended() {
            return Err(IsOver);
        }
        shared.cancel.get_or_insert_with(|| reason.to_owned());
        shared.state = AnswerState::Cancelling;
        Ok(self.order(shared, |_| ForwardedOrder::Cancel(reason.to_owned())))
    }

    /// Cancels it because the relay shuts down. A job that was already cancelled stays cancelled.
    pub(crate) fn interrupt(&self) -> Result<(), IsOver> {
        let mut shared = self.shared();
        if shared.state.is_ended() || self.holder.is_some() {
            return Err(IsOver);
        }
        shared.is_interrupted = shared.cancel.is_none();
        shared.cancel.get_or_insert_with(|| "the relay ended".to_owned());
        shared.state = AnswerState::Cancelling;
        let _here = self.order(shared, |_| ForwardedOrder::Cancel("the relay ended".to_owned()));
        Ok(())
    }

    /// Makes the task check whether its log can still be written.
    pub(crate) fn recheck_log(&self) {
        self.ordered.notify_one();
    }

    pub(crate) fn set_deadline(&self, deadline: Deadline) -> Result<Sent, IsOver> {
        let mut shared = self.shared();
        if shared.state.is_ended() {
            return Err(IsOver);
        }
        shared.deadline = deadline.apply(shared.deadline, Instant::now());
        Ok(self.order(shared, |shared| match deadline {
            // Another client may change it too.
            Deadline::ExtendBy(time) => ForwardedOrder::Extend(millis(time)),
            Deadline::In(_) | Deadline::Never => ForwardedOrder::Deadline(deadline_ms(shared.deadline)),
        }))
    }

    pub(crate) fn set_paused(&self, paused: bool) -> Result<Sent, IsOver> {
        let mut shared = self.shared();
        if shared.state.is_ended() {
            return Err(IsOver);
        }
        shared.is_paused = paused;
        Ok(self.order(shared, |_| ForwardedOrder::Pause(paused)))
    }

    /// `None` if this relay runs the job itself.
    pub(crate) fn rename_elsewhere(&self, name: &str) -> Option<Sent> {
        let holder = self.holder.as_ref().filter(|_| !self.state().is_ended())?;
        Some(holder.send(&ForwardedOrder::Rename(name.to_owned())))
    }

    fn order(&self, shared: MutexGuard<'_, Shared>, order: impl FnOnce(&Shared) -> ForwardedOrder) -> Sent {
        let sent = self.holder.as_ref().map_or_else(Sent::local, |holder| holder.send(&order(&shared)));
        drop(shared);
        self.ordered.notify_one();
        self.changed();
        sent
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let shared = self.shared();
        let is_held =
            shared.is_paused && matches!(shared.state, AnswerState::Waiting | AnswerState::Streaming);
        let state = if is_held { AnswerState::Paused } else { shared.state.clone() };
        Snapshot {
            state,
            upstream: shared.upstream.clone(),
            records: shared.records,
            tokens: shared.tokens(self.kind),
            tokens_per_second: shared.tokens_per_second(now),
            since_last: shared.last_received.map(|at| now - at),
            deadline: shared.deadline.map(|at| at.saturating_duration_since(now)),
            readers: shared.all_readers(),
            detached: shared.detached,
        }
    }
}

/// The task's side.
impl Job {
    /// Tells the relay that runs it whether it is read here.
    fn send_readers(&self, shared: &Shared) {
        if let Some(holder) = &self.holder
            && shared.readers <= 1
            && !shared.detached
        {
            let _unwaited =
                holder.send(&ForwardedOrder::Readers { relay: holder.own_relay(), count: shared.readers });
        }
    }

    pub(super) fn orders(&self) -> JobOrders {
        let shared = self.shared();
        JobOrders { cancel: shared.cancel.clone(), is_paused: shared.is_paused, deadline: shared.deadline }
    }

    pub(super) fn set_upstream(&self, upstream: &str) {
        upstream.clone_into(&mut self.shared().upstream);
    }

    /// It is its turn.
    pub(crate) fn may_run(&self) {
        self.is_now(AnswerState::Connecting);
    }

    pub(super) fn is_now(&self, state: AnswerState) {
        let mut shared = self.shared();
        let cancelling = shared.state == AnswerState::Cancelling && !state.is_ended();
        if shared.state == state || cancelling {
            return;
        }
        shared.state = state;
        drop(shared);
        self.changed();
    }

    pub(super) fn received(&self, records: u64, now: Instant) {
        let mut shared = self.shared();
        shared.last_received = Some(now);
        shared.records = records;
        if shared.first_record.is_none() {
            shared.first_record = Some(now);
            drop(shared);
            self.is_now(AnswerState::Streaming);
        }
    }

    /// Records the server's token count.
    pub(super) fn counted(&self, tokens: u64) {
        self.shared().tokens = Some(tokens);
    }

    pub(super) fn has_head(&self, head: Head) {
        self.head.send_if_modified(|current| {
            let first = matches!(current, Head::Pending);
            if first {
                *current = head;
            }
            first
        });
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.shared().is_interrupted
    }

    /// Fills the record once the job has ended.
    pub(super) fn fill(&self, record: &mut JobRecord) {
        let shared = self.shared();
        record.upstream.clone_from(&shared.upstream);
        record.records = shared.records;
        record.detached = shared.detached;
        record.tokens = shared.tokens(self.kind);
        record.tokens_per_second = shared.tokens_per_second(shared.last_received.unwrap_or(self.began));
    }
}

impl Shared {
    pub(super) fn all_readers(&self) -> usize {
        self.readers + self.elsewhere.values().sum::<usize>()
    }

    /// Until the server sends a count, each record counts as one token.
    fn tokens(&self, kind: Recorded) -> Option<u64> {
        self.tokens.or_else(|| (!kind.keeps_models()).then_some(self.records))
    }

    fn tokens_per_second(&self, now: Instant) -> Option<f64> {
        if self.rate.is_some() {
            return self.rate;
        }
        let seconds = (now - self.first_record?).as_secs_f64();
        // The time of the rate starts with the first record.
        (seconds > 0.05 && self.records > 1).then(|| (self.records - 1) as f64 / seconds)
    }
}

/// A reader of a job's stream. A job that is not detached is cancelled when its last reader leaves, after the
/// grace time.
#[derive(Debug)]
pub(crate) struct Attached {
    job: Arc<Job>,
    grace: Duration,
    tasks: Tasks,
}

impl Attached {
    pub(crate) fn new(job: &Arc<Job>, grace: Duration, tasks: &Tasks) -> Self {
        let mut shared = job.shared();
        shared.readers += 1;
        job.send_readers(&shared);
        drop(shared);
        Self { job: Arc::clone(job), grace, tasks: tasks.clone() }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut shared = self.job.shared();
        shared.readers -= 1;
        self.job.send_readers(&shared);
        let have_left = shared.all_readers() == 0 && !self.job.is_elsewhere();
        drop(shared);
        if have_left {
            end_unread(&self.job, self.grace, &self.tasks);
        }
    }
}

/// Cancels a job without readers, after the grace time, unless it was detached.
pub(super) fn end_unread(job: &Arc<Job>, grace: Duration, tasks: &Tasks) {
    let shared = job.shared();
    if shared.detached || shared.state.is_ended() {
        return;
    }
    drop(shared);
    if grace.is_zero() {
        return end_if_unread(job);
    }
    let job = Arc::clone(job);
    tasks.start(async move {
        tokio::time::sleep(grace).await;
        end_if_unread(&job);
    });
}

fn end_if_unread(job: &Job) {
    if job.shared().all_readers() == 0 && job.cancel("its only reader has left").is_ok() {
        tracing::debug!("a job ends: its only reader has left");
    }
}
