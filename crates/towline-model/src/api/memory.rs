//! The one budget for what requests take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Refusal;

/// What a byte of a body may come to: the body, its parts as texts and lists, its tokens.
pub(crate) const PER_BODY_BYTE: usize = 32;
/// An answer on its way.
pub(crate) const PER_ANSWER: usize = 64 << 10;
/// An embedding, in numbers and as text.
pub(crate) const PER_EMBEDDING: usize = 4 << 10;
/// What is counted at once.
const UNIT_BYTES: usize = 1 << 10;

/// What one request has taken of the budget; given back when it is dropped.
pub(crate) struct Memory(OwnedSemaphorePermit);

/// All that there is to take, in bytes.
pub(crate) fn budget(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS)))
}

impl Memory {
    /// # Errors
    /// When there is not so much left.
    pub(crate) fn new(budget: &Arc<Semaphore>, bytes: usize) -> Result<Self, Refusal> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let taken = Arc::clone(budget).try_acquire_many_owned(units);
        taken.map(Self).map_err(|_| Refusal::busy("requests take all the memory they may"))
    }

    /// # Errors
    /// When there is not so much left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.0.merge(Self::new(self.0.semaphore(), bytes)?.0);
        Ok(())
    }
}
