//! The progress of a pull, push or create.

use towline::{Error, Event, Outcome, Phase};

use crate::out::WriteError;

/// Progress.
#[derive(Debug)]
pub struct ProgressView;

impl ProgressView {
    pub(super) fn event(&mut self, _event: &Event) -> Result<(), WriteError> {
        Ok(())
    }
    pub(super) fn end(&mut self, _outcome: &Outcome) -> Result<(), WriteError> {
        Ok(())
    }
    pub(super) fn is_waiting(&self) -> bool {
        false
    }
    pub(super) fn tick(&mut self, _phase: Phase, _retried: &[Error]) {}
}
