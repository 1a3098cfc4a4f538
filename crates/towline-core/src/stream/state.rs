//! The states of a stream, and what stops it.

use std::time::{Duration, Instant};

use super::BodyEnd;
use crate::outcome::{FinishReason, Outcome};
use crate::timeouts::Due;

/// The state of a stream. It has a tag of its own, because it is compared several times for each record, and a tag inside
/// a field takes more to tell.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum State {
    Connecting,
    Opening,
    Refused {
        status: u16,
        body: Vec<u8>,
        retry_after: Option<Duration>,
        due: Instant,
    },
    Waiting,
    Streaming,
    Finishing {
        reason: Option<FinishReason>,
        due: Instant,
        /// Later records are ignored, even usage.
        closed: bool,
        /// The usage may arrive in a separate record.
        awaits_usage: bool,
    },
    /// The outcome, until it is taken.
    Ended(Option<Box<Outcome>>),
}

/// The event that ends a stream once all received bytes are decoded.
#[derive(Debug)]
pub(super) enum Stop {
    Body(BodyEnd),
    Clock(Due),
    Cancel(String),
}
