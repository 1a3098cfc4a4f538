//! The memory budget of all requests.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Refusal;

/// Estimated memory per byte of a body: the body, its parts as texts and lists, its tokens.
pub(crate) const PER_BODY_BYTE: usize = 32;
/// Memory of a running answer.
pub(crate) const PER_ANSWER: usize = 64 << 10;
/// Memory of an embedding, as numbers and as text.
pub(crate) const PER_EMBEDDING: usize = 4 << 10;
/// The unit of the budget.
const UNIT_BYTES: usize = 1 << 10;

/// One request's part of the budget, which is released when it is dropped.
pub(crate) struct Memory(OwnedSemaphorePermit);

/// A budget of this many bytes.
pub(crate) fn budget(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS)))
}

impl Memory {
    /// # Errors
    /// If there is not this much left.
    pub(crate) fn new(budget: &Arc<Semaphore>, bytes: usize) -> Result<Self, Refusal> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let taken = Arc::clone(budget).try_acquire_many_owned(units);
        taken.map(Self).map_err(|_| Refusal::busy("requests already use all the memory that they may use"))
    }

    /// # Errors
    /// If there is not this much left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.0.merge(Self::new(self.0.semaphore(), bytes)?.0);
        Ok(())
    }
}
