//! The model: loaded when it is asked for, kept for a while after its last request, then unloaded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::brook::Brook;
use crate::config::{KeepAlive, Limits};
use crate::slots::Slots;

/// The model, whether it is loaded or not.
#[derive(Debug)]
pub(crate) struct Resident {
    parallel: usize,
    queue: usize,
    loaded: Mutex<Option<Loaded>>,
    /// Told when an expiry may have changed.
    changed: Notify,
}

#[derive(Debug)]
struct Loaded {
    slots: Arc<Slots>,
    users: usize,
    keep_alive: KeepAlive,
    /// When it is unloaded; `None` while in use, or for good.
    expires: Option<Instant>,
}

/// The model in use. Its time to expiry begins when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    resident: Arc<Resident>,
    pub(crate) slots: Arc<Slots>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut guard = self.resident.loaded();
        if let Some(loaded) = guard.as_mut().filter(|loaded| Arc::ptr_eq(&loaded.slots, &self.slots)) {
            loaded.users -= 1;
            if loaded.users == 0 {
                match loaded.keep_alive {
                    KeepAlive::Forever => {}
                    KeepAlive::For(Duration::ZERO) => *guard = None,
                    KeepAlive::For(time) => loaded.expires = Instant::now().checked_add(time),
                }
            }
        }
        drop(guard);
        self.resident.changed.notify_one();
    }
}

impl Resident {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            parallel: limits.parallel,
            queue: limits.queue,
            loaded: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the model into use. Where it is not loaded it is, which takes a few milliseconds; meanwhile others wait.
    pub(crate) fn lease(self: &Arc<Self>, keep_alive: KeepAlive) -> Lease {
        let mut guard = self.loaded();
        let loaded = guard.get_or_insert_with(|| {
            let slots = Slots::new(Arc::new(Brook::load()), self.parallel, self.queue);
            Loaded { slots: Arc::new(slots), users: 0, keep_alive, expires: None }
        });
        loaded.users += 1;
        loaded.keep_alive = keep_alive;
        loaded.expires = None;
        Lease { resident: Arc::clone(self), slots: Arc::clone(&loaded.slots) }
    }

    /// Unloads the model; answers that run finish first.
    pub(crate) fn unload(&self) {
        *self.loaded() = None;
    }

    /// How long the model stays if nobody asks for it again; `None` when it is not loaded.
    pub(crate) fn remaining(&self) -> Option<KeepAlive> {
        let guard = self.loaded();
        let loaded = guard.as_ref()?;
        Some(match loaded.expires {
            Some(expires) => KeepAlive::For(expires.saturating_duration_since(Instant::now())),
            None => loaded.keep_alive,
        })
    }

    /// Unloads the model each time its time is over. Never ready.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn keep_expiring(&self) {
        loop {
            let expires = self.loaded().as_ref().and_then(|loaded| loaded.expires);
            match expires {
                None => self.changed.notified().await,
                Some(moment) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(moment.into()) => {
                        self.loaded().take_if(|loaded| loaded.expires.is_some_and(|at| at <= Instant::now()));
                    }
                },
            }
        }
    }
}
