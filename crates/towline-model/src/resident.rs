//! The model: loaded on demand, kept for a while after its last request, then unloaded. Each running answer
//! has a thread, up to a limit; the others are queued in order of arrival.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc};

use crate::brook::Brook;
use crate::config::{KeepAlive, Limits};
use crate::engine::answer::{Cancelled, Wanted};

/// Number of parts that may wait for a reader before the answer's thread blocks.
const PARTS_IN_FLIGHT: usize = 64;

/// The model, whether it is loaded or not.
#[derive(Debug)]
pub(crate) struct Resident {
    /// One permit for each answer that may run or be queued.
    places: Arc<Semaphore>,
    /// One permit for each answer that may run.
    threads: Arc<Semaphore>,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    brook: Arc<Brook>,
    keep_alive: KeepAlive,
    since: Instant,
}

/// A lease of the model, which stays loaded until this is dropped.
pub(crate) struct Lease {
    resident: Arc<Resident>,
    pub(crate) brook: Arc<Brook>,
}

/// The reading end of one request. Dropping it cancels the request between two tokens.
pub(crate) struct Answering<P> {
    /// Ends without a last part when the work panics.
    pub(crate) parts: mpsc::Receiver<P>,
    _here: SyncSender<()>,
}

impl Resident {
    pub(crate) fn new(limits: &Limits) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let parallel = limits.parallel.max(1);
        let places = permits(parallel.saturating_add(limits.queue));
        Self { places, threads: permits(parallel), loaded: Mutex::default() }
    }

    /// The loaded model, after unloading an expired one: its 3 MB need no timer.
    fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        // The state is valid after each statement, so a panic elsewhere does not spoil it.
        let mut guard = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        guard.take_if(|loaded| match loaded.keep_alive {
            KeepAlive::For(time) => loaded.since.elapsed() >= time && Arc::strong_count(&loaded.brook) == 1,
            KeepAlive::Forever => false,
        });
        guard
    }

    /// Leases the model, and loads it if necessary, which takes a few milliseconds while others wait.
    pub(crate) fn lease(self: &Arc<Self>, keep_alive: KeepAlive) -> Lease {
        let mut guard = self.loaded();
        let brook = guard.take().map_or_else(|| Arc::new(Brook::load()), |loaded| loaded.brook);
        *guard = Some(Loaded { brook: Arc::clone(&brook), keep_alive, since: Instant::now() });
        Lease { resident: Arc::clone(self), brook }
    }

    /// Unloads the model after running answers have finished.
    pub(crate) fn unload(&self) {
        *self.loaded() = None;
    }

    /// How long the model stays loaded without further requests; `None` if it is not loaded.
    pub(crate) fn remaining(&self) -> Option<KeepAlive> {
        self.loaded().as_ref().map(|loaded| match loaded.keep_alive {
            KeepAlive::For(time) => KeepAlive::For(time.saturating_sub(loaded.since.elapsed())),
            KeepAlive::Forever => KeepAlive::Forever,
        })
    }
}

impl Lease {
    /// Waits for a thread and starts the work there; its return value is the last part.
    ///
    /// Cancel safety: dropping the future leaves the queue.
    /// `None` if the queue is full.
    pub(crate) async fn begin<P, W>(self, work: W) -> Option<Answering<P>>
    where
        P: Send + 'static,
        W: FnOnce(&Self, &Wanted, &mpsc::Sender<P>) -> Result<P, Cancelled> + Send + 'static,
    {
        let (places, threads) = (Arc::clone(&self.resident.places), Arc::clone(&self.resident.threads));
        let place = places.try_acquire_owned().ok()?;
        let thread = threads.acquire_owned().await.ok()?;
        let (sender, parts) = mpsc::channel(PARTS_IN_FLIGHT);
        let (here, gone) = std::sync::mpsc::sync_channel(0);
        // Its end arrives as a part; a panic affects no other request.
        drop(tokio::task::spawn_blocking(move || {
            let last = work(&self, &Wanted(gone), &sender);
            drop((self, thread, place));
            // A reader that disconnected just before the end needs no answer.
            drop(last.map(|last| sender.blocking_send(last)));
        }));
        Some(Answering { parts, _here: here })
    }
}
