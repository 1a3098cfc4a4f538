//! The outcome of a stream: its ending, and everything that was received.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Fault};
use crate::event::{Event, Image, PartialToolCall, Progress, TextKind, TokenLogprob, ToolCall, Usage};
use crate::span::Span;

/// The outcome of a stream, with everything that was received. A stream has exactly one.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an outcome says whether the answer is whole"]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The answer so far, for every ending.
    pub reply: Reply,
    /// Counts and times.
    pub stats: Stats,
    /// Frames that were not records of the protocol. Usually none; they never complete an answer.
    pub not_understood: NotUnderstood,
    /// The errors of earlier attempts of the same request, in order, and the reason why a cut answer could
    /// not be continued. Usually empty.
    pub retried: Vec<Error>,
}

/// Frames that are not known records of a stream's dialect: JSON without any known field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotUnderstood {
    /// How many came.
    pub count: u64,
    /// The first [`MAX_KEPT`](Self::MAX_KEPT) of them as they arrived, each up to
    /// [`MAX_KEPT_BYTES`](Self::MAX_KEPT_BYTES); U+FFFD replaces invalid text.
    pub first: Vec<String>,
}

impl NotUnderstood {
    /// How many are kept: 3.
    pub const MAX_KEPT: usize = 3;
    /// How much of each is kept, in bytes: 4 KiB.
    pub const MAX_KEPT_BYTES: usize = 4 << 10;

    pub(crate) fn add(&mut self, frame: &[u8]) {
        self.count += 1;
        if self.first.len() < Self::MAX_KEPT {
            let mut text =
                String::from_utf8_lossy(&frame[..frame.len().min(Self::MAX_KEPT_BYTES)]).into_owned();
            text.truncate(text.floor_char_boundary(Self::MAX_KEPT_BYTES));
            self.first.push(text);
        }
    }

    pub(crate) fn append(&mut self, later: Self) {
        self.count += later.count;
        self.first.extend(later.first);
        self.first.truncate(Self::MAX_KEPT);
    }
}

/// The five ways a stream can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The protocol's terminal record arrived. What the server did after it does not matter.
    Completed(Option<FinishReason>),
    /// The stream ended without its terminal record.
    Truncated(Error),
    /// The caller, or another controller of the job, cancelled it.
    Cancelled {
        /// The reason that was given with the cancel.
        reason: String,
        /// Whether the server may have acted on the request.
        may_have_had_effect: bool,
    },
    /// One of the time limits expired.
    TimedOut {
        /// Which one.
        clock: Clock,
        /// Its value.
        limit: Duration,
        /// Whether the server may have acted on the request.
        may_have_had_effect: bool,
    },
    /// The server reported an error, the connection broke, or the server violated the protocol.
    Failed(Error),
}

impl Ending {
    /// The ending's name in machine-readable output. Stable.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Truncated(_) => "truncated",
            Self::Cancelled { .. } => "cancelled",
            Self::TimedOut { .. } => "timed_out",
            Self::Failed(_) => "failed",
        }
    }

    /// The error; `None` if the stream completed.
    pub fn error(&self) -> Option<Error> {
        match self {
            Self::Completed(_) => None,
            Self::Truncated(error) | Self::Failed(error) => Some(error.clone()),
            Self::Cancelled { reason, may_have_had_effect } => Some(
                Error::new(ErrorKind::Cancelled, Fault::Caller, format!("cancelled: {reason}"))
                    .with_effect(*may_have_had_effect),
            ),
            Self::TimedOut { clock, limit, may_have_had_effect } => Some(
                Error::new(
                    ErrorKind::TimedOut,
                    clock.fault(),
                    format!("timed out: {} within {}", clock.awaited(), Span(*limit)),
                )
                .with_effect(*may_have_had_effect),
            ),
        }
    }

    /// Whether the server may have acted on the request.
    pub fn may_have_had_effect(&self) -> bool {
        match self {
            Self::Completed(_) => true,
            Self::Truncated(error) | Self::Failed(error) => error.may_have_had_effect,
            Self::Cancelled { may_have_had_effect, .. } | Self::TimedOut { may_have_had_effect, .. } => {
                *may_have_had_effect
            }
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => error.fmt(f),
            None => f.write_str("completed"),
        }
    }
}

impl Outcome {
    /// An outcome with this ending, for a stream that received nothing.
    pub fn new(ending: Ending) -> Self {
        Self {
            ending,
            reply: Reply::default(),
            stats: Stats::default(),
            not_understood: NotUnderstood::default(),
            retried: Vec::new(),
        }
    }

    /// Whether the answer is complete.
    pub fn is_completed(&self) -> bool {
        matches!(self.ending, Ending::Completed(_))
    }

    /// The reply, if it is complete.
    ///
    /// # Errors
    /// The outcome itself, with the part of the reply that arrived, for every other ending.
    pub fn into_completed(self) -> Result<Reply, Box<Outcome>> {
        if self.is_completed() { Ok(self.reply) } else { Err(Box::new(self)) }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ending.fmt(f)
    }
}

impl std::error::Error for Outcome {}

/// The reason why the model stopped, from the terminal record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done, or produced a stop text.
    Stop,
    /// The model reached the token limit or the end of the context.
    Length,
    /// The model waits for the results of tool calls.
    ToolCalls,
    /// The server withheld the rest.
    ContentFilter,
    /// A request without a prompt loaded the model.
    Load,
    /// A request without a prompt unloaded the model.
    Unload,
    /// A pull, push or create is done.
    Success,
    /// A reason that this version does not know.
    Other(String),
}

impl FinishReason {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "load" => Self::Load,
            "unload" => Self::Unload,
            "success" => Self::Success,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The reason's name in machine-readable output, as servers write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Load => "load",
            Self::Unload => "unload",
            Self::Success => "success",
            Self::Other(text) => text,
        }
    }
}

/// The five time limits of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// From the start until a connection is ready for the request.
    Connect,
    /// From the request to the first record.
    FirstEvent,
    /// Between bytes.
    Idle,
    /// Between whole records, however many bytes flow.
    Record,
    /// From the start to the end.
    Total,
}

impl Clock {
    /// The name of the time limit in machine-readable output. Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FirstEvent => "first_event",
            Self::Idle => "idle",
            Self::Record => "record",
            Self::Total => "total",
        }
    }

    fn awaited(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::FirstEvent => "no first record",
            Self::Idle => "nothing further received",
            Self::Record => "no further whole record",
            Self::Total => "not finished",
        }
    }

    fn fault(self) -> Fault {
        match self {
            Self::Connect => Fault::Transport,
            Self::FirstEvent | Self::Idle | Self::Record => Fault::Server,
            Self::Total => Fault::Caller,
        }
    }
}

/// Everything a stream delivered, joined.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// The model's reasoning.
    pub thinking: String,
    /// Complete tool calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Tool calls that were incomplete when the stream ended.
    pub partial_tool_calls: Vec<PartialToolCall>,
    /// Generated images, in order.
    pub images: Vec<Image>,
    /// Log probabilities of the answer's tokens, in order.
    pub logprobs: Vec<TokenLogprob>,
    /// The last progress of a pull, push or create.
    pub progress: Option<Box<Progress>>,
    /// Token counts and timings.
    pub usage: Option<Box<Usage>>,
    /// The model's name as the server gave it.
    pub model: Option<String>,
    /// The token context that `generate` returns in its last record. Deprecated by Ollama, still sent.
    pub context: Vec<i64>,
}

impl Reply {
    #[inline]
    pub(crate) fn absorb(&mut self, event: &Event) {
        match event {
            Event::Text(text) => self.absorb_text(TextKind::Answer, text),
            Event::Thinking(text) => self.absorb_text(TextKind::Thinking, text),
            Event::ToolCall(call) => self.tool_calls.push(ToolCall::clone(call)),
            Event::Image(image) => self.images.push(image.clone()),
            Event::Logprobs(logprobs) => self.logprobs.extend_from_slice(logprobs),
            Event::Progress(progress) => self.progress = Some(progress.clone()),
            Event::Usage(usage) => self.usage.get_or_insert_default().absorb(usage),
        }
    }

    #[inline(always)]
    pub(crate) fn absorb_text(&mut self, kind: TextKind, text: &str) {
        let all = match kind {
            TextKind::Answer => &mut self.text,
            TextKind::Thinking => &mut self.thinking,
        };
        all.push_str(text);
    }
}

/// Counts and times of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Records decoded, the terminal one included.
    pub records: u64,
    /// Bytes of the response body that were received.
    pub received_bytes: u64,
    /// Bytes of incomplete records at the end of the stream; with stitching, of one record for each piece.
    pub undecoded_bytes: u64,
    /// Number of places where U+FFFD replaced invalid text.
    pub replaced_text: u64,
    /// How often the stream was cut and continued by a further request: the text is stitched from one piece
    /// more than this.
    pub stitches: u32,
    /// How often the connection to a relay was lost and the stream resumed at the same byte.
    pub reconnects: u32,
    /// From the start to the first record.
    pub first_event: Option<Duration>,
    /// From the start to the end.
    pub total: Duration,
}
