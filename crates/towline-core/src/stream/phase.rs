//! The phases of a stream, as people see them.

/// The state of a stream, for people who watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No connection yet; nothing was sent.
    Connecting,
    /// The request is on its way; no response yet.
    Opening,
    /// The server accepted the request; no record yet.
    Waiting,
    /// Records are coming.
    Streaming,
    /// The answer is complete; the response is being drained.
    Finishing,
    /// The outcome is known.
    Ended,
}
