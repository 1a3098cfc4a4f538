//! Maintenance of a store apart from writes, on its own thread, so that no append waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::LogStore;

/// Time from a write to a round if nothing is synced: then the round only frees removed data.
const CLEARED_AFTER: Duration = Duration::from_secs(1);

/// Syncs written data to the disk, and frees removed data.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn LogStore>,
    sync_every: Option<Duration>,
    /// Whether there was a write since the last round began.
    is_due: AtomicBool,
    is_ending: Mutex<bool>,
    changed: Condvar,
    failures: AtomicU64,
}

impl Keeper {
    /// Starts the thread. A round runs `sync_every` after the first write since the last one began.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub(super) fn start(store: Arc<dyn LogStore>, sync_every: Option<Duration>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            store,
            sync_every,
            is_due: AtomicBool::new(false),
            is_ending: Mutex::new(false),
            changed: Condvar::new(),
            failures: AtomicU64::new(0),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("towline-sync".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// A batch was written.
    pub(super) fn written(&self) {
        if !self.shared.is_due.swap(true, Ordering::AcqRel) {
            let _held = self.shared.is_ending.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.changed.notify_one();
        }
    }

    /// Number of failed rounds.
    pub(super) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Ends the thread; outstanding work is left undone.
    pub(super) fn end(&self) {
        *self.shared.is_ending.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's keeper has panicked");
        }
    }
}

impl Shared {
    fn run(&self) {
        while self.wait() {
            self.is_due.store(false, Ordering::Release);
            let synced = match self.sync_every {
                Some(_) => self.store.flush(),
                None => Ok(()),
            };
            if let Err(error) = synced.and_then(|()| self.store.clear()) {
                self.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "writes or removals could not be synced");
            }
        }
    }

    /// Waits for the next round; `false` at the end.
    fn wait(&self) -> bool {
        let mut is_ending = self.is_ending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut round_at = None;
        loop {
            if *is_ending {
                return false;
            }
            if round_at.is_none() && self.is_due.load(Ordering::Acquire) {
                round_at = Some(Instant::now() + self.sync_every.unwrap_or(CLEARED_AFTER));
            }
            is_ending = match round_at {
                None => self.changed.wait(is_ending).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return true;
                    }
                    self.changed.wait_timeout(is_ending, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
