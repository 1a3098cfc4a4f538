//! The one who writes all logs: takes what is staged everywhere, writes it in one batch, and shows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Log, Taken};
use crate::store::{LogStore, Write};

/// When what was written is made to survive the end of the machine. The end of the process loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before readers see it.
    Always,
    /// So often. Default: every second.
    Every(Duration),
    /// When the system likes.
    Never,
}

impl Default for Fsync {
    fn default() -> Self {
        Self::Every(Duration::from_secs(1))
    }
}

/// Writes logs. With a store on disk on a thread of its own, with one in memory at once.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<dyn LogStore>,
    fsync: Fsync,
    queue: Mutex<Queue>,
    more: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(crate) batches: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// Time spent in the store, in microseconds.
    pub(crate) busy_us: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each log is here once at most, so it is as long as there are streams.
    logs: Vec<Arc<Log>>,
    is_ending: bool,
}

impl Writer {
    /// Starts the thread, where the store needs one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(store: Arc<dyn LogStore>, fsync: Fsync) -> std::io::Result<Arc<Self>> {
        let writer = Arc::new(Self {
            store,
            fsync,
            queue: Mutex::default(),
            more: Condvar::new(),
            thread: Mutex::new(None),
            batches: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
        });
        if !writer.store.is_memory() {
            let own = Arc::clone(&writer);
            let thread = std::thread::Builder::new().name("towline-log".into()).spawn(move || own.run())?;
            *writer.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        Ok(writer)
    }

    pub(crate) fn store(&self) -> &Arc<dyn LogStore> {
        &self.store
    }

    /// Something is staged in `log`.
    pub(super) fn queue(&self, log: Arc<Log>) {
        if self.store.is_memory() {
            return self.write(vec![log]);
        }
        let mut queue = self.waiting();
        queue.logs.push(log);
        if queue.logs.len() == 1 {
            self.more.notify_one();
        }
    }

    /// Writes what is left, makes it survive, and ends.
    pub(crate) fn end(&self) {
        self.waiting().is_ending = true;
        self.more.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the log writer has panicked");
        }
        if let Err(error) = self.store.flush().and_then(|()| self.store.close()) {
            tracing::error!(%error, "the store could not be closed");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut unsynced: Option<Instant> = None;
        loop {
            let sync_at = match (self.fsync, unsynced) {
                (Fsync::Every(interval), Some(since)) => Some(since + interval),
                (Fsync::Always | Fsync::Every(_) | Fsync::Never, _) => None,
            };
            let Some(logs) = self.next(sync_at) else { return };
            if !logs.is_empty() {
                self.write(logs);
                unsynced.get_or_insert_with(Instant::now);
            }
            if sync_at.is_some_and(|at| at <= Instant::now()) {
                unsynced = None;
                if let Err(error) = self.store.flush() {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "what was written could not be made to survive");
                }
            }
        }
    }

    /// The logs with something staged; none when it is time to sync, `None` at the end.
    fn next(&self, sync_at: Option<Instant>) -> Option<Vec<Arc<Log>>> {
        let mut queue = self.waiting();
        loop {
            if !queue.logs.is_empty() {
                return Some(std::mem::take(&mut queue.logs));
            }
            if queue.is_ending {
                return None;
            }
            queue = match sync_at {
                None => self.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Some(Vec::new());
                    }
                    self.more.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn write(&self, mut logs: Vec<Arc<Log>>) {
        while !logs.is_empty() {
            let mut writes: Vec<Write> = Vec::with_capacity(logs.len());
            let mut taken: Vec<(Arc<Log>, Taken)> = Vec::with_capacity(logs.len());
            for log in logs {
                match log.take(&mut writes) {
                    Some(part) => taken.push((log, part)),
                    None => log.not_taken(),
                }
            }
            let began = Instant::now();
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
            let result = self.store.commit(writes, self.fsync == Fsync::Always);
            let busy = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.busy_us.fetch_add(busy, Ordering::Relaxed);
            let result = result.map_err(|error| {
                self.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "a batch could not be written");
                error.to_string()
            });
            // Those that have more go into the next batch with what came meanwhile.
            let mut again = Vec::new();
            for (log, part) in taken {
                if log.taken_is_written(part, result.clone()) {
                    again.push(log);
                }
            }
            if self.store.is_memory() {
                logs = again;
            } else {
                if !again.is_empty() {
                    self.waiting().logs.extend(again);
                }
                return;
            }
        }
    }
}
