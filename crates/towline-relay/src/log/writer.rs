//! Writes all logs: the staged changes of all logs go to the store in one batch, and then become visible.
//!
//! Only one thread writes at a time. A thread that stages a change while no other thread writes becomes the
//! writer, so a single append is written at once, on its own thread. Changes that are staged meanwhile form
//! the next batch. An appender should not keep writing for others, so after a few batches it hands over to a
//! dedicated thread.
//!
//! A task writes to a store that is reached over a network, on the runtime of those who append and read: a record
//! then waits for no other thread on its way to the store and from there to its readers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::Notify;

use super::keeper::Keeper;
use super::{Broken, StreamLog, WritePart};
use crate::config::Fsync;
use crate::metrics::Histogram;
use crate::store::{LogStore, NotWritten, Refused, StoreError, Write};

/// Number of batches that an appender writes before the thread takes over. Measured: with 1 or 4 the
/// hand-overs cost more than they save, and without a limit one answer in thousands waits long (`cargo bench
/// -p towline-relay --bench relay -- records`).
const BATCHES_OF_AN_APPENDER: usize = 16;

/// Histogram bounds for the time of a batch, in seconds: from memory to a stalled disk.
const BATCH_S: &[f64] = &[0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Writes logs.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<dyn LogStore>,
    fsync: Fsync,
    queue: Mutex<Queue>,
    handed_over: Condvar,
    /// As `handed_over`, for the task.
    wakes_task: Notify,
    thread: Mutex<Option<JoinHandle<()>>>,
    keeper: Keeper,
    pub(crate) writes: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// Logs whose removal the store did not accept.
    unremoved: Mutex<Vec<Arc<StreamLog>>>,
    /// Whether the last batch failed.
    is_failing: AtomicBool,
    batch_times: Mutex<Histogram>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each log is here at most once, so the number of streams bounds it.
    logs: Vec<Arc<StreamLog>>,
    turn: Holder,
    is_ending: bool,
    /// The task has ended.
    has_ended: bool,
}

/// Changes that are written together.
struct Batch {
    logs: Vec<(Arc<StreamLog>, WritePart)>,
    removals: Vec<Write>,
    began: Instant,
}

impl Batch {
    /// The removals, if they are still to be written: a full store refuses changes that need room, but accepts
    /// removals.
    fn remaining_removals(&self, result: &Result<Vec<Refused>, StoreError>) -> Option<Vec<Write>> {
        let is_full = matches!(result, Err(StoreError::Full));
        (is_full && !self.removals.is_empty()).then(|| self.removals.clone())
    }
}

/// Who has the turn to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Holder {
    #[default]
    Nobody,
    Appender,
    /// The dedicated thread, or the task.
    Thread,
}

/// The right to write. When it is dropped, it passes to the thread if something is left to write.
struct Turn<'a>(&'a Writer);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.waiting();
        queue.turn = if queue.logs.is_empty() { Holder::Nobody } else { Holder::Thread };
        if queue.turn == Holder::Thread || queue.is_ending {
            self.0.handed_over.notify_one();
        }
    }
}

/// Tells who waits for the end of the task, even if the task panics.
struct Ended<'w>(&'w Writer);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.waiting().has_ended = true;
        self.0.handed_over.notify_one();
    }
}

impl Writer {
    /// Starts the threads. Where other relays share the store, [`run_as_task`](Self::run_as_task) is to be started too.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(store: Arc<dyn LogStore>, fsync: Fsync) -> std::io::Result<Arc<Self>> {
        let sync_every = match fsync {
            Fsync::Every(interval) => Some(interval),
            Fsync::Always | Fsync::Never => None,
        };
        let writer = Arc::new(Self {
            keeper: Keeper::start(Arc::clone(&store), sync_every)?,
            store,
            fsync,
            queue: Mutex::new(Queue::default()),
            handed_over: Condvar::new(),
            wakes_task: Notify::new(),
            thread: Mutex::new(None),
            writes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            unremoved: Mutex::default(),
            is_failing: AtomicBool::new(false),
            batch_times: Mutex::new(Histogram::new(BATCH_S)),
        });
        if writer.store.is_shared() {
            return Ok(writer);
        }
        let own = Arc::clone(&writer);
        let thread = std::thread::Builder::new().name("towline-log".into()).spawn(move || own.run())?;
        *writer.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(writer)
    }

    pub(crate) fn store(&self) -> &Arc<dyn LogStore> {
        &self.store
    }

    /// Queues `log`, which has staged changes.
    pub(super) fn queue(&self, log: Arc<StreamLog>) {
        let mut queue = self.waiting();
        queue.logs.push(log);
        if queue.turn != Holder::Nobody {
            return;
        }
        // An appender must not wait for the disk.
        if self.fsync == Fsync::Always || self.store.is_shared() {
            queue.turn = Holder::Thread;
            drop(queue);
            return self.hand_over();
        }
        queue.turn = Holder::Appender;
        drop(queue);
        let _turn = Turn(self);
        for _ in 0..BATCHES_OF_AN_APPENDER {
            if !self.write_batch() {
                return;
            }
        }
    }

    fn hand_over(&self) {
        if self.store.is_shared() {
            self.wakes_task.notify_one();
        } else {
            self.handed_over.notify_one();
        }
    }

    /// Writes the remaining changes, syncs them, and ends. Blocks.
    pub(crate) fn end(&self) {
        self.waiting().is_ending = true;
        self.hand_over();
        let mut queue = self.waiting();
        while self.store.is_shared() && !queue.has_ended {
            queue = self.handed_over.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the log writer has panicked");
        }
        self.keeper.end();
        if let Err(error) = self.store.flush().and_then(|()| self.store.close()) {
            tracing::error!(%error, "the store could not be closed");
        }
    }

    /// Counts a failed batch, and logs the first of several in a row.
    fn failed(&self, error: &StoreError) -> Broken {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "a batch of records could not be written");
        }
        match error {
            StoreError::Full => Broken::Full,
            StoreError::Failed
            | StoreError::InUse { .. }
            | StoreError::Disk(_)
            | StoreError::Folder(_)
            | StoreError::Redis(_)
            | StoreError::Format { .. } => Broken::Store(error.to_string()),
        }
    }

    /// Whether a write has failed since the store was last repaired.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Repeats removals that the store did not accept.
    pub(crate) fn remove_again(&self) {
        let logs = std::mem::take(&mut *self.unremoved.lock().unwrap_or_else(PoisonError::into_inner));
        for log in logs {
            // The caller has got the error.
            let _ticket = log.remove();
        }
    }

    /// Records that all broken logs are repaired.
    pub(crate) fn is_mended(&self) {
        self.is_failing.store(false, Ordering::Relaxed);
    }

    /// Number of failed batches and syncs.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed) + self.keeper.failures()
    }

    fn waiting(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut queue = self.waiting();
            while queue.turn != Holder::Thread {
                if queue.is_ending && queue.turn == Holder::Nobody {
                    return;
                }
                queue = self.handed_over.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            drop(queue);
            let _turn = Turn(self);
            while self.write_batch() {}
        }
    }

    /// Writes, as a task, until the writer ends.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the last batch is written.
    pub(crate) async fn run_as_task(&self) {
        let _ended = Ended(self);
        loop {
            let Queue { turn, is_ending, .. } = *self.waiting();
            if turn != Holder::Thread {
                if is_ending {
                    break;
                }
                self.wakes_task.notified().await;
                continue;
            }
            let _turn = Turn(self);
            while let Some((batch, writes)) = self.take_batch() {
                let result = self.store.commit_async(writes).await;
                let removed = match batch.remaining_removals(&result) {
                    Some(left) => self.store.commit_async(left).await,
                    None => Ok(Vec::new()),
                };
                self.is_written(batch, result, removed);
            }
        }
    }

    /// How long the store took for each batch, in seconds.
    pub(crate) fn batch_times(&self) -> MutexGuard<'_, Histogram> {
        self.batch_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the staged changes of all logs; `false` if there were none. Only for the current writer.
    fn write_batch(&self) -> bool {
        let Some((batch, writes)) = self.take_batch() else { return false };
        let durable = self.fsync == Fsync::Always;
        let result = self.store.commit(writes, durable);
        let removed = batch
            .remaining_removals(&result)
            .map_or(Ok(Vec::new()), |removals| self.store.commit(removals, durable));
        self.is_written(batch, result, removed);
        true
    }

    /// Takes the staged changes of all logs; `None` if there are none.
    fn take_batch(&self) -> Option<(Batch, Vec<Write>)> {
        let queued = std::mem::take(&mut self.waiting().logs);
        if queued.is_empty() {
            return None;
        }
        let mut writes: Vec<Write> = Vec::with_capacity(queued.len());
        let mut logs = Vec::with_capacity(queued.len());
        for log in queued {
            match log.take(&mut writes) {
                Some(part) => logs.push((log, part)),
                None => log.not_taken(),
            }
        }
        self.writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
        let removals = writes.iter().filter(|write| matches!(write, Write::Remove { .. })).cloned().collect();
        Some((Batch { logs, removals, began: Instant::now() }, writes))
    }

    /// Applies the result of a batch, and that of its removals if a full store refused it.
    fn is_written(
        &self,
        batch: Batch,
        result: Result<Vec<Refused>, StoreError>,
        removed: Result<Vec<Refused>, StoreError>,
    ) {
        self.batch_times().add(batch.began.elapsed().as_secs_f64());
        self.keeper.written();
        let (result, refused) = match result {
            Ok(refused) => (Ok(()), refused),
            Err(error) => (Err(self.failed(&error)), Vec::new()),
        };
        let removed = match &result {
            Err(Broken::Full) => removed.map(drop).map_err(|error| self.failed(&error)),
            Ok(()) | Err(_) => result.clone(),
        };
        for (log, part) in batch.logs {
            let result = if part.is_removal { removed.clone() } else { result.clone() };
            if part.is_removal && result.is_err() {
                self.unremoved.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&log));
            }
            let why = refused.iter().find(|refused| refused.stream == log.no).map(|refused| refused.why);
            let more = match why {
                None => log.finish_write(part, result),
                Some(NotWritten::Elsewhere { end }) => log.write_again(part, end),
                Some(NotWritten::Taken) => log.finish_write(part, Err(Broken::Taken)),
                Some(NotWritten::Gone) => log.finish_write(part, Err(Broken::Removed)),
            };
            // Logs with more changes go into the next batch.
            if more {
                self.waiting().logs.push(log);
            }
        }
    }
}
