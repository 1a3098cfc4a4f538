//! The inputs of a stream about its response: the head, and how the body ended.

use std::time::Duration;

use crate::error::Error;

/// The part of a response head that a stream needs.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`; empty if there was none.
    pub content_type: String,
    /// How long `Retry-After` asks to wait.
    pub retry_after: Option<Duration>,
}

/// How the response body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyEnd {
    /// Normally, as its framing says.
    Clean,
    /// The peer closed before the body was complete, as a killed server does.
    Cut,
    /// The connection broke.
    Broken(Error),
}
