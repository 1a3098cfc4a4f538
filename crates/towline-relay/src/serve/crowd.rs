//! Counts the connections of one listener.

use std::sync::Arc;

/// The connections of one listener: each holds a clone while it is open.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    open: Arc<()>,
    most: usize,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self { open: Arc::new(()), most }
    }

    fn count(&self) -> usize {
        // One clone belongs to the listener.
        Arc::strong_count(&self.open) - 1
    }

    /// Whether there is no room for another connection.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// Whether three quarters of the slots are taken.
    pub(super) fn is_dense(&self) -> bool {
        self.count() >= self.most - self.most / 4
    }
}
