//! What a stream is told of its response: the head, and how the body ended.

use std::time::Duration;

use crate::error::Error;

/// The head of a response, as far as a stream needs it.
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
    /// In good order.
    Clean,
    /// The peer closed before the body was whole, as a server does that is killed.
    Cut,
    /// The connection broke.
    Broken(Error),
}
