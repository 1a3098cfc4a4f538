//! Whose turn it is: so many jobs run at once, so many wait in the order in which they came.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Job;

/// The places of a relay. A job holds one from its request to its end.
#[derive(Debug)]
pub(crate) struct Turns {
    /// A permit for each that may run; it gives them out in the order in which they were asked for.
    running: Arc<Semaphore>,
    /// How many may run.
    most: usize,
    taken: Arc<AtomicUsize>,
    places: usize,
}

/// A place: to wait in, then to run in.
#[derive(Debug)]
pub(crate) struct Place {
    running: Arc<Semaphore>,
    turn: Option<OwnedSemaphorePermit>,
    taken: Arc<AtomicUsize>,
}

impl Turns {
    pub(crate) fn new(running: usize, queued: usize) -> Self {
        let running = running.min(Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(running)),
            most: running,
            taken: Arc::default(),
            places: running.saturating_add(queued),
        }
    }

    /// How many run, and how many wait.
    pub(crate) fn count(&self) -> (usize, usize) {
        let running = self.most - self.running.available_permits();
        (running, self.taken.load(Ordering::Relaxed).saturating_sub(running))
    }

    /// A place, if there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        let more = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place { running: Arc::clone(&self.running), turn: None, taken: Arc::clone(&self.taken) })
    }
}

impl Place {
    /// Whether it may run at once; if not, it is its turn later.
    pub(crate) fn may_run(&mut self) -> bool {
        if self.turn.is_none() {
            // It fails while others wait.
            self.turn = Arc::clone(&self.running).try_acquire_owned().ok();
        }
        self.turn.is_some()
    }

    /// Waits for the turn of `job`; `false` when that was cancelled or its deadline passed meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future loses its turn to those that came later.
    pub(super) async fn wait(&mut self, job: &Job) -> bool {
        const FAR: Duration = Duration::from_secs(3600);
        let mut turn = pin!(Arc::clone(&self.running).acquire_owned());
        while self.turn.is_none() {
            let (orders, now) = (job.orders(), Instant::now());
            if orders.cancel.is_some() || orders.deadline.is_some_and(|deadline| deadline <= now) {
                return false;
            }
            tokio::select! {
                // Nobody closes the semaphore.
                permit = turn.as_mut() => self.turn = permit.ok(),
                () = job.ordered.notified() => {}
                () = tokio::time::sleep_until(orders.deadline.unwrap_or(now + FAR).into()) => {}
            }
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
