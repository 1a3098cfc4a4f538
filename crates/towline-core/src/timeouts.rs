//! The five timeouts and the named limits of a stream.

use std::time::{Duration, Instant};

use crate::outcome::Clock;

/// The time limits of a stream. `None` switches a limit off.
///
/// The defaults let a cold 70-billion-parameter model load from a slow disk and evaluate a long prompt, and
/// still end every stream that makes no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of an attempt until a connection is ready for the request. Default 10 s.
    pub connect: Option<Duration>,
    /// From the request to the first record, which servers send only after queueing, loading the model and evaluating
    /// the prompt. Default 20 min.
    pub first_event: Option<Duration>,
    /// Between bytes of the answer of any kind: parts of a long record and keep-alive comments count too. It
    /// never expires while bytes flow. Default 5 min.
    pub idle: Option<Duration>,
    /// Between whole records, however many bytes flow. It stops a server that only keeps the connection
    /// alive, or sends an endless record. Default 20 min.
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

/// The named limits of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest line or event, in bytes. Default 32 MiB.
    pub line_bytes: usize,
    /// The maximum size of a reply, in bytes: the length of text and thinking, and for tool calls, images and
    /// log probabilities the length of their records. Default 64 MiB.
    pub reply_bytes: usize,
    /// How much of an error response's body is read, in bytes. Default 64 KiB.
    pub error_body_bytes: usize,
    /// How long an error response's body may take. Default 5 s.
    pub error_body_time: Duration,
    /// How long the server may take to end the response after its terminal record, so that the connection can
    /// be reused. The answer is complete in either case. Default 250 ms.
    pub finish_time: Duration,
    /// How long the server may take to send the usage after the finish reason, if its dialect sends the usage
    /// in a separate record and none has arrived. Default 2 s.
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
    /// When this attempt to connect began.
    pub(crate) connecting: Instant,
    /// When the request was sent.
    pub(crate) sent: Instant,
    /// When the last byte arrived.
    pub(crate) alive: Instant,
    /// When the last whole record arrived.
    pub(crate) record: Instant,
}

impl Timestamps {
    pub(crate) fn at(now: Instant) -> Self {
        Self { started: now, connecting: now, sent: now, alive: now, record: now }
    }
}

/// The time at which a time limit expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) clock: Clock,
    pub(crate) limit: Duration,
}

impl Due {
    pub(crate) fn after(from: Instant, limit: Option<Duration>, clock: Clock) -> Option<Self> {
        let limit = limit?;
        // A limit that an Instant cannot represent never expires.
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
