//! Orders for a relay's jobs.

use towline::Deadline;
use towline_app::answers::Verb;

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
#[derive(Debug, Clone, PartialEq)]
pub enum RelayOrder {
    /// An operation of the relay.
    Verb(Verb),
    /// Show its chat.
    Show,
    /// Read it: in the chat that left it, else in a new chat.
    Read,
}

impl From<Control> for RelayOrder {
    fn from(control: Control) -> Self {
        Self::Verb(match control {
            Control::Stop => Verb::Kill("stopped in the window".to_owned()),
            Control::Pause => Verb::Pause,
            Control::Unpause => Verb::Unpause,
            Control::Deadline(deadline) => Verb::Deadline(deadline),
        })
    }
}
