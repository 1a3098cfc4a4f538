//! What a relay can be told of one of its jobs.

use towline::Deadline;

/// What every job can be told, wherever it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Stop; what came is kept.
    Stop,
    /// Stop reading.
    Pause,
    /// Resume reading.
    Unpause,
    /// Set, move or remove the deadline.
    Deadline(Deadline),
}

/// What is to be done to one of the relay's jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayOrder {
    /// What every job can be told.
    Control(Control),
    /// Ask the same again, as a job of its own.
    Retry,
    /// Call it by another name.
    Rename(String),
    /// Delete the job and its text there.
    Forget,
    /// Show its chat.
    Show,
    /// Read it: in the chat that left it, else in a chat of its own.
    Read,
}
