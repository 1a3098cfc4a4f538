//! The state, log, outcome and orders of one job. Every change of a job happens here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use towline_core::event::Event;
use towline_core::job::{Deadline, JobState};
use towline_core::log::{Log, Offset, Pieces};
use towline_core::outcome::{Ending, Outcome, Stats};

use super::submit::StreamSpec;
use super::waiting::Waiters;
use super::{Batch, Shared, lock};
use crate::stream::Stream;

/// The most that one read takes from a log, in bytes: the job waits while it is copied.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// A job, shared by its handles, its task and the table.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) id: u64,
    pub(super) shared: Weak<Shared>,
    /// The request of the job, for a retry. `None` for a task that cannot be repeated.
    pub(super) prepared: Option<StreamSpec>,
    /// The server to whose limit the job counts.
    pub(super) host: Option<Arc<str>>,
    pub(super) priority: i32,
    /// The deadline with which the job was submitted, for a retry.
    pub(super) deadline: Option<Duration>,
    pub(super) created: Instant,
    /// The job is in the list of changes and was not read since. Guarded by that list's lock.
    pub(super) listed: AtomicBool,
    pub(super) inner: Mutex<Inner>,
    /// The orders changed since the task last read them. Changed under the lock of `inner`.
    has_orders: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) group: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
    pub(super) state: JobState,
    /// The state of a job that is neither queued, paused nor being cancelled.
    underlying: JobState,
    pub(super) log: Log,
    /// The furthest offset that a reader has reached.
    read_to: Offset,
    /// The log is full of what nobody has read.
    pub(super) full: bool,
    pub(super) outcome: Option<Arc<Outcome>>,
    pub(super) orders: TaskOrders,
    /// The job's task, while it waits.
    task: Option<Waker>,
    pub(super) waiters: Waiters,
    pub(super) ended: Option<Instant>,
    pub(super) first_event: Option<Instant>,
    pub(super) last_event: Option<Instant>,
    pub(super) tokens: u64,
    pub(super) stats: Stats,
    /// The relay is currently out of reach.
    pub(super) away: bool,
    /// The relay's id for the stream that it runs.
    pub(super) relay_id: Option<Arc<str>>,
}

/// The orders of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskOrders {
    pub(super) admitted: bool,
    pub(super) cancel: Option<Arc<str>>,
    /// Cancel without letting the task clean up.
    pub(super) kill: bool,
    pub(super) paused: bool,
    /// The log is full of what nobody has read.
    pub(super) full: bool,
    /// Leave the stream to its relay.
    pub(super) detach: bool,
    pub(super) deadline: Option<Instant>,
}

/// The initial values of a new job.
pub(super) struct CellInit {
    pub(super) id: u64,
    pub(super) shared: Weak<Shared>,
    pub(super) prepared: Option<StreamSpec>,
    pub(super) host: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) group: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
    pub(super) priority: i32,
    pub(super) deadline: Option<Duration>,
}

impl Cell {
    pub(super) fn new(init: CellInit) -> Self {
        let now = Instant::now();
        let orders =
            TaskOrders { deadline: init.deadline.and_then(|d| now.checked_add(d)), ..TaskOrders::default() };
        Self {
            id: init.id,
            shared: init.shared,
            prepared: init.prepared,
            host: init.host,
            priority: init.priority,
            deadline: init.deadline,
            created: now,
            listed: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                name: init.name,
                group: init.group,
                model: init.model,
                state: JobState::Queued,
                underlying: JobState::Queued,
                log: Log::default(),
                read_to: Offset::START,
                full: false,
                outcome: None,
                orders,
                task: None,
                waiters: Waiters::default(),
                ended: None,
                first_event: None,
                last_event: None,
                tokens: 0,
                stats: Stats::default(),
                away: false,
                relay_id: None,
            }),
            has_orders: AtomicBool::new(true),
        }
    }

    #[inline]
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    // --- orders, from any thread ---------------------------------------------------------------------------------

    pub(super) fn cancel(self: &Arc<Self>, reason: &str, kill: bool) {
        self.order(|inner| {
            inner.orders.cancel.get_or_insert_with(|| reason.into());
            inner.orders.kill |= kill;
        });
    }

    /// Leaves the stream to the relay that runs it; `None` if no relay does, or if the job has ended.
    pub(super) fn detach(self: &Arc<Self>) -> Option<Arc<str>> {
        let inner = self.inner();
        let id = inner.relay_id.clone().filter(|_| inner.outcome.is_none());
        drop(inner);
        if id.is_some() {
            self.order(|inner| inner.orders.detach = true);
        }
        id
    }

    pub(super) fn pause(self: &Arc<Self>, paused: bool) {
        self.order(|inner| inner.orders.paused = paused);
    }

    pub(super) fn set_deadline(self: &Arc<Self>, deadline: Deadline) {
        let now = Instant::now();
        self.order(|inner| inner.orders.deadline = deadline.apply(inner.orders.deadline, now));
    }

    /// Changes the orders of a job that has not ended, and makes its task read them.
    fn order(self: &Arc<Self>, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner();
        if inner.outcome.is_some() {
            return;
        }
        change(&mut inner);
        inner.update_state();
        self.notify_with_task(inner);
    }

    /// Makes the job's task check what it waits for.
    pub(super) fn wake_task(self: &Arc<Self>) {
        self.order(|_| {});
    }

    /// The table lets the job run.
    pub(super) fn admit(&self) {
        let mut inner = self.inner();
        inner.orders.admitted = true;
        let task = self.publish_orders(&mut inner);
        drop(inner);
        wake(task);
    }

    pub(super) fn rename(self: &Arc<Self>, name: &str) {
        let mut inner = self.inner();
        inner.name = name.into();
        self.notify(inner);
    }

    // --- reports, from the task ----------------------------------------------------------------------------------

    /// Updates a task's copy of its orders; the task is woken when they change.
    #[inline]
    pub(super) fn update_orders(&self, orders: &mut TaskOrders, cx: &Context<'_>) {
        // If there are no new orders, the stored waker is still current.
        if self.has_orders.load(Ordering::Acquire) {
            self.copy_orders(orders, cx);
        }
    }

    fn copy_orders(&self, orders: &mut TaskOrders, cx: &Context<'_>) {
        let mut inner = self.inner();
        self.has_orders.store(false, Ordering::Relaxed);
        inner.task = Some(cx.waker().clone());
        orders.clone_from(&inner.orders);
        orders.full = inner.full;
    }

    /// Marks the orders as changed, and returns the task's waker, which is woken outside the lock.
    fn publish_orders(&self, inner: &mut Inner) -> Option<Waker> {
        self.has_orders.store(true, Ordering::Release);
        inner.task.take()
    }

    /// A relay has accepted the stream.
    pub(super) fn relayed(&self, id: &str) {
        self.inner().relay_id = Some(id.into());
    }

    pub(super) fn begin(self: &Arc<Self>, state: JobState) {
        let mut inner = self.inner();
        inner.underlying = state;
        if inner.update_state() {
            self.notify(inner);
        }
    }

    /// Reports progress of the stream: its phase and counts, and the new events.
    pub(super) fn report(self: &Arc<Self>, stream: &Stream, pieces: &mut Pieces) {
        let mut inner = self.inner();
        if let Some(state) = JobState::of_phase(stream.phase()) {
            inner.underlying = state;
        }
        (inner.stats, inner.away) = (*stream.stats(), stream.is_away());
        if !pieces.is_empty() {
            self.append(inner, stream.last_input_at(), |log| log.append_all(pieces));
        } else if inner.update_state() {
            self.notify(inner);
        }
    }

    /// Appends an event of a task that is not a stream; returns the event if the log is full or the job has
    /// ended.
    pub(super) fn emit(self: &Arc<Self>, event: Event) -> Result<(), Event> {
        let inner = self.inner();
        if inner.full || inner.outcome.is_some() {
            return Err(event);
        }
        let tokens = u64::from(matches!(event, Event::Text(_) | Event::Thinking(_)));
        self.append(inner, Instant::now(), |log| {
            log.append(event);
            tokens
        });
        Ok(())
    }

    /// Records what `append` adds to the log `now`; it returns the number of text pieces.
    fn append(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner>,
        now: Instant,
        append: impl FnOnce(&mut Log) -> u64,
    ) {
        let Some(shared) = self.shared.upgrade() else { return };
        let before = inner.log.bytes();
        inner.tokens += append(&mut inner.log);
        inner.first_event.get_or_insert(now);
        inner.last_event = Some(now);
        let after = inner.log.bytes();
        shared.budget.changed(before, after);
        let drops_read = shared.budget.drops_read();
        let is_blocked = self.enforce_limits(&mut inner, &shared, drops_read);
        inner.update_state();
        self.notify_all(inner, None, Some(&shared));
        if is_blocked {
            // Others can make room, and may have done so in the meantime.
            shared.table.drop_read(&shared.budget);
            shared.budget.resume();
        }
    }

    /// Drops read text if the log, or all logs together, exceed their limit, and decides whether the log is
    /// full. Returns whether the job now waits for room in the common budget.
    #[inline]
    fn enforce_limits(self: &Arc<Self>, inner: &mut Inner, shared: &Shared, drop_read: bool) -> bool {
        let budget = &shared.budget;
        let (mut over_own, mut over_all) = budget.over(inner.log.bytes());
        if (over_own, over_all, inner.full) == (0, 0, false) {
            return false;
        }
        if drop_read && over_own.max(over_all) > 0 {
            let read_to = inner.read_to;
            budget.release(inner.log.drop_before(read_to, over_own.max(over_all)));
            (over_own, over_all) = budget.over(inner.log.bytes());
        }
        if inner.full != (over_own > 0 || over_all > 0) {
            inner.full = !inner.full;
            self.has_orders.store(true, Ordering::Release);
        }
        if over_all > 0 {
            budget.block(self);
        }
        over_all > 0
    }

    /// The job has ended. Only the first outcome counts.
    pub(super) fn finish(self: &Arc<Self>, outcome: Outcome) {
        let mut inner = self.inner();
        if inner.outcome.is_some() {
            return;
        }
        inner.ended = Some(Instant::now());
        inner.stats = outcome.stats;
        inner.underlying = JobState::of_ending(&outcome.ending);
        inner.outcome = Some(Arc::new(outcome));
        inner.task = None;
        inner.update_state();
        drop(inner);
        // A waiter that hears of the end must find the job among the ended ones, and its place free.
        if let Some(shared) = self.shared.upgrade() {
            shared.table.ended(self);
        }
        self.notify(self.inner());
    }

    // --- queries, from any thread --------------------------------------------------------------------------------

    pub(super) fn state(&self) -> JobState {
        self.inner().state
    }

    pub(super) fn outcome(&self) -> Option<Arc<Outcome>> {
        self.inner().outcome.clone()
    }

    /// The answer's text so far, without the part that the log has dropped.
    pub(super) fn text(&self) -> String {
        if let Some(outcome) = self.outcome().filter(|outcome| !outcome.reply.text.is_empty()) {
            return outcome.reply.text.clone();
        }
        let (mut text, mut at) = (String::new(), Offset::START);
        loop {
            let inner = self.inner();
            let (read, end) = (inner.log.read(at, BATCH_BYTES), inner.log.end());
            drop(inner);
            for event in read.events {
                if let Event::Text(piece) = event {
                    text.push_str(&piece);
                }
            }
            at = read.next;
            if at >= end {
                return text;
            }
        }
    }

    pub(super) fn end_offset(&self) -> Offset {
        self.inner().log.end()
    }

    /// A reader has read from a log that was `full` or not: dropping the read text can make room.
    pub(super) fn has_been_read(self: &Arc<Self>, full: bool) {
        if full {
            self.make_room();
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.budget.resume();
        }
    }

    /// Continues a job that was paused because its log was full, if there is room.
    pub(super) fn make_room(self: &Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut inner = self.inner();
        if !inner.full || inner.outcome.is_some() {
            return;
        }
        self.enforce_limits(&mut inner, &shared, true);
        if !inner.full {
            inner.update_state();
            self.notify_with_task(inner);
        }
    }

    /// Drops up to `bytes` of read text from the log of a job that has ended.
    pub(super) fn drop_read(&self, bytes: usize) -> usize {
        let mut inner = self.inner();
        let read_to = inner.read_to;
        inner.log.drop_before(read_to, bytes)
    }

    /// Wakes the job's task, and then everything that waits for news of the job.
    fn notify_with_task(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        let task = self.publish_orders(&mut inner);
        self.notify_all(inner, task, self.shared.upgrade().as_deref());
    }

    /// Wakes everything that waits for news of this job, and the foreground.
    fn notify(self: &Arc<Self>, inner: MutexGuard<'_, Inner>) {
        self.notify_all(inner, None, self.shared.upgrade().as_deref());
    }

    fn notify_all(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner>,
        task: Option<Waker>,
        shared: Option<&Shared>,
    ) {
        let is_end = inner.outcome.is_some();
        let waiters = inner.waiters.take(is_end);
        drop(inner);
        // This comes first, so that a waker of the caller cannot delay an order.
        wake(task);
        waiters.wake();
        if let Some(shared) = shared {
            shared.table.changed(self, &shared.wake);
        }
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.budget.release(self.inner().log.bytes());
            shared.budget.resume();
        }
    }
}

impl Inner {
    /// Whether a read from `from` would find anything.
    pub(super) fn has_news(&self, from: Offset) -> bool {
        self.log.end() > from || self.outcome.is_some()
    }

    /// The new events from `from` on, in a batch that ends with the piece that reaches `limit_bytes`, and
    /// whether the log is full; `None` if nothing is new and the job has not ended. The caller then calls
    /// [`Cell::has_been_read`].
    pub(super) fn read(&mut self, from: Offset, limit_bytes: usize) -> Option<(Batch, bool)> {
        if !self.has_news(from) {
            return None;
        }
        let read = self.log.read(from, limit_bytes);
        let next = read.next.max(from);
        let outcome = if next >= self.log.end() { self.outcome.clone() } else { None };
        self.read_to = self.read_to.max(next);
        Some((Batch { events: read.events, missed: read.missed, next, outcome }, self.full))
    }

    /// Derives the state from the other fields; returns whether it changed.
    fn update_state(&mut self) -> bool {
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
}

/// The outcome of a job that is not a stream, or that ended before its stream began.
pub(super) fn plain_outcome(ending: Ending, started: Instant) -> Outcome {
    let stats = Stats { total: started.elapsed(), ..Stats::default() };
    Outcome { stats, ..Outcome::new(ending) }
}
