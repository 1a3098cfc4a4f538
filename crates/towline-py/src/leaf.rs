//! The one kind of lock that a thread may wait for. No Python code runs under it.
//!
//! Python code may hand over the interpreter's lock at any instruction. Where it ran under a lock of ours, another
//! thread could hold the interpreter's lock and wait for ours, and both would wait for each other.

use std::sync::{Mutex, PoisonError};

/// A value behind a lock.
#[derive(Debug, Default)]
pub(crate) struct Leaf<T>(Mutex<T>);

impl<T> Leaf<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Looks at the value, or changes it. What can be `Send` holds no token of the interpreter's lock and no object that
    /// is bound to it, so `work` cannot call Python, and what it returns is not made of such objects.
    pub(crate) fn with<R: Send>(&self, work: impl FnOnce(&mut T) -> R + Send) -> R {
        // A panic while it was held left the value as it was: every `work` is a few plain lines.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
