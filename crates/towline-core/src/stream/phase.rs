//! The phases of a stream, for display.

/// The phase of a stream, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No connection yet; nothing was sent.
    Connecting,
    /// The request was sent; there is no response yet.
    Opening,
    /// The server accepted the request; there is no record yet.
    Waiting,
    /// Records are arriving.
    Streaming,
    /// The answer is complete; the response is being drained.
    Finishing,
    /// The outcome is known.
    Ended,
}
