//! Orders for a relay's jobs.

use towline::Deadline;

/// Operations that every job supports, wherever it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Cancel; the text so far is kept.
    Stop,
    /// Stop reading.
    Pause,
    /// Resume reading.
    Unpause,
    /// Set, change or remove the deadline.
    Deadline(Deadline),
}

/// An operation on one of the relay's jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayOrder {
    /// An operation that every job supports.
    Control(Control),
    /// Repeat the request as a new job.
    Retry,
    /// Rename it.
    Rename(String),
    /// Delete the job and its text on the relay.
    Forget,
    /// Show its chat.
    Show,
    /// Read it: in the chat that left it, else in a new chat.
    Read,
}
