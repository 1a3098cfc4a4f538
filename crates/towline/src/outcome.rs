//! How a stream ended, with everything that arrived.

pub use towline_core::dialect::ThinkTagsFound;
pub use towline_core::outcome::{Clock, Ending, FinishReason, NotUnderstood, Outcome, Reply, Stats};
