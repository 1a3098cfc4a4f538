//! The one kind of lock that a thread may wait for. No Python code runs under it.
//!
//! Python code may release the interpreter's lock at any instruction. If it ran under one of our locks,
//! another thread could hold the interpreter's lock and wait for ours: a deadlock.

use std::sync::{Mutex, PoisonError};

/// A value behind a lock.
#[derive(Debug, Default)]
pub(crate) struct Leaf<T>(Mutex<T>);

impl<T> Leaf<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Reads or changes the value. A `Send` type holds no token of the interpreter's lock and no object that
    /// is bound to it, so `work` cannot call Python, and its result contains no such objects.
    pub(crate) fn with<R: Send>(&self, work: impl FnOnce(&mut T) -> R + Send) -> R {
        // A panic while the lock was held leaves the value intact: every `work` is a few plain lines.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
