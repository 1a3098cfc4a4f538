//! The results of single steps.

use crate::event::Event;

/// The result of taking one frame.
pub(super) enum Step<T> {
    /// A record like the previous one; its event is not queued.
    Alike(T),
    /// A record, whose events are queued, or an end.
    Record,
    /// There are no more frames for now.
    None,
}

/// The next step.
pub(super) enum NextEvent<T> {
    /// The result for a record like the previous one.
    Alike(T),
    Queued(Event),
}
