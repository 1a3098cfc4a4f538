//! The five timeouts and the named limits of a stream.

use std::time::{Duration, Instant};

use crate::outcome::Clock;

/// How long each part of a stream may take. `None` switches a clock off.
///
/// The defaults let a cold 70-billion-parameter model load from a slow disk and evaluate a long prompt, and still end
/// every stream that gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of a try to a connection ready for the request. Default 10 s.
    pub connect: Option<Duration>,
    /// From the request to the first record, which servers send only after queueing, loading the model and evaluating
    /// the prompt. Default 20 min.
    pub first_event: Option<Duration>,
    /// Between bytes of the answer, whatever they are: parts of a long record and keep-alive comments count too. It
    /// never runs out while bytes flow. Default 5 min.
    pub idle: Option<Duration>,
    /// Between whole records, however many bytes flow: the bound of a server that only keeps the connection alive, or
    /// sends a record without an end. Default 20 min.
    pub record: Option<Duration>,
    /// From the start to the end. Default none.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(10)),
            first_event: Some(Duration::from_secs(20 * 60)),
            idle: Some(Duration::from_secs(5 * 60)),
            record: Some(Duration::from_secs(20 * 60)),
            total: None,
        }
    }
}

/// The named bounds of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest line or event, in bytes. Default 32 MiB.
    pub line_bytes: usize,
    /// The most a reply may hold, in bytes: text and thinking as they are, tool calls, images and log probabilities by
    /// the length of their records. Default 64 MiB.
    pub reply_bytes: usize,
    /// How much of an error response's body is read, in bytes. Default 64 KiB.
    pub error_body_bytes: usize,
    /// How long an error response's body may take. Default 5 s.
    pub error_body_time: Duration,
    /// How long the server may take to end the response after its terminal record, so that the connection can be used
    /// again. The answer is complete whether or not it does. Default 250 ms.
    pub finish_time: Duration,
    /// How long the server may take to send the usage after it said why the model stopped, where its dialect sends the
    /// usage in a record of its own and none came before. Default 2 s.
    pub usage_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: crate::wire::DEFAULT_LINE_LIMIT_BYTES,
            reply_bytes: 64 << 20,
            error_body_bytes: 64 << 10,
            error_body_time: Duration::from_secs(5),
            finish_time: Duration::from_millis(250),
            usage_time: Duration::from_secs(2),
        }
    }
}

/// When the timeouts started or were last reset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timestamps {
    /// When the stream began.
    pub(crate) started: Instant,
    /// When this try to connect began.
    pub(crate) connecting: Instant,
    /// When the request was sent.
    pub(crate) sent: Instant,
    /// When the last byte came.
    pub(crate) alive: Instant,
    /// When the last whole record came.
    pub(crate) record: Instant,
}

impl Timestamps {
    pub(crate) fn at(now: Instant) -> Self {
        Self { started: now, connecting: now, sent: now, alive: now, record: now }
    }
}

/// A moment at which a clock runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) clock: Clock,
    pub(crate) limit: Duration,
}

impl Due {
    pub(crate) fn after(from: Instant, limit: Option<Duration>, clock: Clock) -> Option<Self> {
        let limit = limit?;
        // A limit beyond what an Instant can hold never comes.
        Some(Self { at: from.checked_add(limit)?, clock, limit })
    }

    pub(crate) fn earlier(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

impl Timeouts {
    pub(crate) fn connect_due(&self, marks: &Timestamps) -> Option<Due> {
        Due::after(marks.connecting, self.connect, Clock::Connect)
    }

    pub(crate) fn first_event_due(&self, marks: &Timestamps) -> Option<Due> {
        Due::after(marks.sent, self.first_event, Clock::FirstEvent)
    }

    pub(crate) fn streaming_due(&self, marks: &Timestamps) -> Option<Due> {
        Due::earlier(
            Due::after(marks.alive, self.idle, Clock::Idle),
            Due::after(marks.record, self.record, Clock::Record),
        )
    }

    pub(crate) fn total_due(&self, marks: &Timestamps) -> Option<Due> {
        Due::after(marks.started, self.total, Clock::Total)
    }
}
