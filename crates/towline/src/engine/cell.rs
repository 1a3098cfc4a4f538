//! One job's state, log and outcome, and the orders it was given. Everything about a job that changes, changes here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use towline_core::event::Event;
use towline_core::job::{Deadline, JobState};
use towline_core::log::{Log, Offset};
use towline_core::outcome::{Ending, Outcome, Reply, Stats};
use towline_core::stream::Phase;

use super::submit::Prepared;
use super::{LogOverflow, Shared, lock};

/// A job as its handles, its task and the table see it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) id: u64,
    pub(super) shared: Weak<Shared>,
    /// What the job asks for, to ask it again. `None` for a task that cannot be repeated.
    pub(super) prepared: Option<Prepared>,
    /// The server whose limit the job counts against.
    pub(super) host: Option<Arc<str>>,
    pub(super) priority: i32,
    pub(super) created: Instant,
    /// The job stands in the list of changes and was not looked at since.
    pub(super) listed: AtomicBool,
    inner: Mutex<Inner>,
    /// Threads that wait for anything new.
    news: Condvar,
}

#[derive(Debug)]
struct Inner {
    name: Arc<str>,
    group: Option<Arc<str>>,
    model: Option<Arc<str>>,
    state: JobState,
    /// What the state is once the job is neither queued, paused nor being cancelled.
    underlying: JobState,
    log: Log,
    /// Up to where any reader has read.
    read_to: Offset,
    /// The log is full of what nobody has read.
    full: bool,
    outcome: Option<Arc<Outcome>>,
    orders: Orders,
    /// The job's task, while it waits.
    task: Option<Waker>,
    /// Async readers and waiters.
    waiters: Vec<Waker>,
    started: Option<Instant>,
    ended: Option<Instant>,
    last_event: Option<Instant>,
    tokens: u64,
    stats: Stats,
}

/// What the task was told to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    pub(super) admitted: bool,
    pub(super) cancel: Option<Arc<str>>,
    /// Without letting the task clean up.
    pub(super) kill: bool,
    pub(super) paused: bool,
    pub(super) deadline: Option<Instant>,
}

/// A job at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct JobInfo {
    /// The job's number, unique in its engine.
    pub id: super::JobId,
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
    /// Tokens a second since the first one.
    pub tokens_per_second: f64,
    /// Since it was submitted; stops at its end.
    pub age: Duration,
    /// Since its last event, while it receives.
    pub since_last_event: Option<Duration>,
    /// Until its deadline, zero when that has passed.
    pub deadline_in: Option<Duration>,
    /// Bytes its log holds.
    pub log_bytes: usize,
}

/// What a new job is made of.
pub(super) struct Birth {
    pub(super) id: u64,
    pub(super) shared: Weak<Shared>,
    pub(super) prepared: Option<Prepared>,
    pub(super) host: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) group: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
    pub(super) priority: i32,
    pub(super) deadline: Option<Duration>,
}

impl Cell {
    pub(super) fn new(birth: Birth) -> Self {
        let now = Instant::now();
        let orders =
            Orders { deadline: birth.deadline.and_then(|d| now.checked_add(d)), ..Orders::default() };
        Self {
            id: birth.id,
            shared: birth.shared,
            prepared: birth.prepared,
            host: birth.host,
            priority: birth.priority,
            created: now,
            listed: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                name: birth.name,
                group: birth.group,
                model: birth.model,
                state: JobState::Queued,
                underlying: JobState::Queued,
                log: Log::default(),
                read_to: Offset::START,
                full: false,
                outcome: None,
                orders,
                task: None,
                waiters: Vec::new(),
                started: None,
                ended: None,
                last_event: None,
                tokens: 0,
                stats: Stats::default(),
            }),
            news: Condvar::new(),
        }
    }

    // --- orders, from any thread ---------------------------------------------------------------------------------

    pub(super) fn cancel(self: &Arc<Self>, reason: &str, kill: bool) {
        self.order(|inner| {
            if inner.outcome.is_some() {
                return false;
            }
            inner.orders.cancel.get_or_insert_with(|| reason.into());
            inner.orders.kill |= kill;
            true
        });
    }

    pub(super) fn pause(self: &Arc<Self>, paused: bool) {
        self.order(|inner| std::mem::replace(&mut inner.orders.paused, paused) != paused);
    }

    pub(super) fn set_deadline(self: &Arc<Self>, deadline: Deadline) {
        let now = Instant::now();
        self.order(|inner| {
            inner.orders.deadline = deadline.apply(inner.orders.deadline, now);
            true
        });
    }

    pub(super) fn rename(self: &Arc<Self>, name: &str) {
        self.order(|inner| {
            inner.name = name.into();
            true
        });
    }

    /// The table lets the job run.
    pub(super) fn admit(self: &Arc<Self>) {
        self.order(|inner| {
            inner.orders.admitted = true;
            true
        });
    }

    /// Changes the orders, and has the task look at them if that made a difference.
    fn order(self: &Arc<Self>, change: impl FnOnce(&mut Inner) -> bool) {
        let mut inner = lock(&self.inner);
        if change(&mut inner) {
            let moved = inner.settle();
            let task = inner.task.take();
            self.tell(inner, moved);
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    // --- reports, from the task ----------------------------------------------------------------------------------

    /// The orders in force; the task is woken when they change.
    pub(super) fn orders(&self, cx: &Context<'_>) -> Orders {
        let mut inner = lock(&self.inner);
        match &mut inner.task {
            Some(task) => task.clone_from(cx.waker()),
            empty @ None => *empty = Some(cx.waker().clone()),
        }
        let mut orders = inner.orders.clone();
        orders.paused |= inner.full;
        orders
    }

    pub(super) fn begin(self: &Arc<Self>, state: JobState) {
        let mut inner = lock(&self.inner);
        inner.started.get_or_insert_with(Instant::now);
        inner.underlying = state;
        let moved = inner.settle();
        self.tell(inner, moved);
    }

    /// The stream moved on: its phase and counts, and the events that came.
    pub(super) fn report(self: &Arc<Self>, phase: Phase, stats: Stats, events: &mut Vec<Event>) {
        let mut inner = lock(&self.inner);
        inner.underlying = JobState::of_phase(phase);
        inner.stats = stats;
        let news = !events.is_empty();
        self.append(&mut inner, events);
        let moved = inner.settle();
        self.tell(inner, moved || news);
    }

    /// A task that is no stream has something to show.
    pub(super) fn emit(self: &Arc<Self>, event: Event) {
        let mut inner = lock(&self.inner);
        self.append(&mut inner, &mut vec![event]);
        inner.settle();
        self.tell(inner, true);
    }

    /// The job has ended. Only the first outcome counts.
    pub(super) fn finish(self: &Arc<Self>, outcome: Outcome) {
        let mut inner = lock(&self.inner);
        if inner.outcome.is_some() {
            return;
        }
        inner.ended = Some(Instant::now());
        inner.stats = outcome.stats;
        inner.underlying = JobState::of_ending(&outcome.ending);
        inner.outcome = Some(Arc::new(outcome));
        inner.task = None;
        inner.settle();
        self.tell(inner, true);
        if let Some(shared) = self.shared.upgrade() {
            shared.table.ended(self);
        }
    }

    fn append(&self, inner: &mut Inner, events: &mut Vec<Event>) {
        let Some(shared) = self.shared.upgrade() else { return events.clear() };
        if events.is_empty() {
            return;
        }
        inner.last_event = Some(Instant::now());
        let before = inner.log.bytes();
        for event in events.drain(..) {
            inner.tokens += u64::from(matches!(event, Event::Text(_) | Event::Thinking(_)));
            inner.log.append(event);
        }
        shared.log_bytes.fetch_add(inner.log.bytes() - before, Ordering::Relaxed);
        inner.keep_within_budget(&shared, shared.config.log_overflow == LogOverflow::DropRead);
    }

    // --- looks, from any thread ----------------------------------------------------------------------------------

    pub(super) fn info(&self) -> JobInfo {
        let inner = lock(&self.inner);
        let now = inner.ended.unwrap_or_else(Instant::now);
        let receiving = inner.last_event.filter(|_| !inner.state.is_ended());
        let first = inner.stats.first_event.and_then(|after| inner.started?.checked_add(after));
        let seconds = first.map_or(0.0, |first| now.saturating_duration_since(first).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = if seconds > 0.0 { inner.tokens as f64 / seconds } else { 0.0 };
        JobInfo {
            id: super::JobId(self.id),
            name: Arc::clone(&inner.name),
            group: inner.group.clone(),
            model: inner.model.clone(),
            state: inner.state,
            records: inner.stats.records,
            received_bytes: inner.stats.received_bytes,
            tokens: inner.tokens,
            tokens_per_second: rate,
            age: now.saturating_duration_since(self.created),
            since_last_event: receiving.map(|last| now.saturating_duration_since(last)),
            deadline_in: inner.orders.deadline.map(|at| at.saturating_duration_since(now)),
            log_bytes: inner.log.bytes(),
        }
    }

    pub(super) fn state(&self) -> JobState {
        lock(&self.inner).state
    }

    pub(super) fn outcome(&self) -> Option<Arc<Outcome>> {
        lock(&self.inner).outcome.clone()
    }

    /// The answer's text as far as it came, but for what the log has dropped.
    pub(super) fn text(&self) -> String {
        let inner = lock(&self.inner);
        if let Some(outcome) = &inner.outcome {
            return outcome.reply.text.clone();
        }
        let read = inner.log.read(Offset::START);
        let texts = read
            .events
            .iter()
            .filter_map(|event| if let Event::Text(text) = event { Some(&**text) } else { None });
        texts.collect()
    }

    pub(super) fn cancel_requested(&self) -> Option<()> {
        lock(&self.inner).orders.cancel.as_ref().map(|_| ())
    }

    pub(super) fn end(&self) -> Offset {
        lock(&self.inner).log.end()
    }

    /// What is new from `from` on; `None` when nothing is and the job has not ended.
    pub(super) fn read(self: &Arc<Self>, from: Offset) -> Option<super::Batch> {
        let mut inner = lock(&self.inner);
        if inner.log.end() <= from && inner.outcome.is_none() {
            return None;
        }
        let read = inner.log.read(from);
        let batch = super::Batch {
            events: read.events,
            missed: read.missed,
            next: read.next.max(from),
            outcome: inner.outcome.clone(),
        };
        inner.read_to = inner.read_to.max(batch.next);
        self.make_room(inner);
        Some(batch)
    }

    /// After a read: a job that was paused because its log was full may have room again.
    fn make_room(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        if !inner.full {
            return;
        }
        let Some(shared) = self.shared.upgrade() else { return };
        inner.keep_within_budget(&shared, true);
        if !inner.full {
            let moved = inner.settle();
            let task = inner.task.take();
            self.tell(inner, moved);
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    /// Has `cx` woken at the next news unless `ready` already finds what it looks for.
    pub(super) fn poll<T>(&self, cx: &Context<'_>, ready: impl FnOnce() -> Option<T>) -> Option<T> {
        // Registered before looking, so nothing that comes in between is missed.
        let mut inner = lock(&self.inner);
        if !inner.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
            inner.waiters.push(cx.waker().clone());
        }
        drop(inner);
        ready()
    }

    /// Blocks until `ready` finds what it looks for, or the time is up.
    pub(super) fn block<T>(&self, until: Option<Instant>, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = ready() {
                return Some(found);
            }
            let inner = lock(&self.inner);
            let version = inner.version();
            drop(inner);
            if let Some(found) = ready() {
                return Some(found);
            }
            let mut inner = lock(&self.inner);
            while inner.version() == version {
                let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
                inner = match wait {
                    None => self.news.wait(inner).unwrap_or_else(std::sync::PoisonError::into_inner),
                    Some(Duration::ZERO) => return None,
                    Some(wait) => {
                        self.news
                            .wait_timeout(inner, wait)
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .0
                    }
                };
            }
        }
    }

    /// Wakes whoever waits for news of this job, and the foreground.
    fn tell(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, news: bool) {
        if !news {
            return;
        }
        let waiters = std::mem::take(&mut inner.waiters);
        drop(inner);
        self.news.notify_all();
        for waiter in waiters {
            waiter.wake();
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.table.changed(self, &shared.wake);
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let bytes = lock(&self.inner).log.bytes();
            shared.log_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// A log up to this size, in bytes, is not made to pay for the logs of other jobs.
const FAIR_SHARE_BYTES: usize = 64 << 10;

impl Inner {
    /// Drops read text if the log, or all logs together, hold too much. The log is full when that was not enough.
    fn keep_within_budget(&mut self, shared: &Shared, drop_read: bool) {
        let bytes = self.log.bytes();
        let over_job = bytes.saturating_sub(shared.config.job_log_bytes);
        let over_engine = shared.log_bytes.load(Ordering::Relaxed).saturating_sub(shared.config.log_bytes);
        let over = over_job.max(if bytes > FAIR_SHARE_BYTES { over_engine } else { 0 });
        let freed = if drop_read && over > 0 { self.log.drop_before(self.read_to, over) } else { 0 };
        shared.log_bytes.fetch_sub(freed, Ordering::Relaxed);
        self.full = freed < over;
    }

    /// Makes the state follow from what is known; whether it moved.
    fn settle(&mut self) -> bool {
        let state = if self.outcome.is_some() {
            self.underlying
        } else if self.orders.cancel.is_some() {
            JobState::Cancelling
        } else if self.orders.paused || self.full {
            JobState::Paused
        } else {
            self.underlying
        };
        std::mem::replace(&mut self.state, state) != state
    }

    /// Differs whenever a waiting thread may find something new.
    fn version(&self) -> (Offset, JobState) {
        (self.log.end(), self.state)
    }
}

/// The outcome of a job that is no stream, or that ended before its stream began.
pub(super) fn plain_outcome(ending: Ending, started: Instant) -> Outcome {
    let stats = Stats { total: started.elapsed(), ..Stats::default() };
    Outcome { ending, reply: Reply::default(), stats, retried: Vec::new() }
}
