//! How many connections one listener has.

use std::sync::Arc;

/// The connections of one listener: each holds a clone as long as it is open.
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
        // One is the listener's own.
        Arc::strong_count(&self.open) - 1
    }

    /// There is no room for another one.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// Three quarters are taken.
    pub(super) fn is_dense(&self) -> bool {
        self.count() >= self.most - self.most / 4
    }
}
