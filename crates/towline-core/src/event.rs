//! The events of a stream, in the order in which the server sent them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event of a stream.
///
/// A record from the server becomes zero, one or several events: a record with thinking and text becomes two
/// events, a record that only repeats the role becomes none. Events are never merged here; readers that fall
/// behind merge.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A piece of the answer.
    Text(String),
    /// A piece of the model's reasoning, under any of the names that servers use.
    Thinking(String),
    /// A complete tool call, joined from its fragments.
    ToolCall(Box<ToolCall>),
    /// A generated image.
    Image(Image),
    /// Log probabilities of the tokens in this record, which may have no text.
    Logprobs(Vec<TokenLogprob>),
    /// Progress of a pull, push or create.
    Progress(Box<Progress>),
    /// Token counts and timings, usually once, at the end.
    Usage(Box<Usage>),
}

impl Event {
    /// The piece of the answer, if the event is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Thinking(_)
            | Self::ToolCall(_)
            | Self::Image(_)
            | Self::Logprobs(_)
            | Self::Progress(_)
            | Self::Usage(_) => None,
        }
    }
}

/// The text to which a piece belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TextKind {
    #[default]
    Answer,
    Thinking,
}

impl TextKind {
    #[inline]
    pub(crate) fn event(self, text: String) -> Event {
        match self {
            Self::Answer => Event::Text(text),
            Self::Thinking => Event::Thinking(text),
        }
    }
}

/// A function that the model asks the caller to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The server's id for this call, which must be sent back with the result; not every server gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function's name.
    pub name: String,
    /// The arguments, in the order in which the model wrote them: an object or, if the model wrote invalid
    /// JSON, a string with exactly the model's text.
    pub arguments: Value,
}

/// A tool call that was incomplete when the stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialToolCall {
    /// The server's name for this call.
    pub id: Option<String>,
    /// The function's name, as far as it arrived.
    pub name: String,
    /// The JSON text of the arguments, as far as it arrived.
    pub arguments: String,
}

/// A generated image as the server sent it: base64 text, usually a PNG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Standard base64, not decoded.
    pub base64: String,
}

/// The log probability of one token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// The most likely tokens at this position, as many as requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_logprobs: Vec<TokenLogprob>,
}

/// The progress of a pull, push or create.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The server's words, for example `pulling manifest`.
    pub status: String,
    /// The layer to which the numbers refer. Numbers are per layer, not overall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes done of this layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Bytes of this layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Token counts and server-side timings. A field that the server omitted is `None`; servers also omit zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the prompt that came from a cache.
    pub cached_prompt_tokens: Option<u64>,
    /// Tokens of the answer, thinking included.
    pub completion_tokens: Option<u64>,
    /// Total time that the server spent.
    #[serde(with = "nanoseconds", rename = "total_ns")]
    pub total: Option<Duration>,
    /// Time the server spent loading the model.
    #[serde(with = "nanoseconds", rename = "load_ns")]
    pub load: Option<Duration>,
    /// Time the server spent evaluating the prompt.
    #[serde(with = "nanoseconds", rename = "prompt_ns")]
    pub prompt: Option<Duration>,
    /// Time the server spent generating.
    #[serde(with = "nanoseconds", rename = "completion_ns")]
    pub completion: Option<Duration>,
    /// A note of the server for people, usually absent: for example that it cut the prompt to its context,
    /// with both lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Usage {
    /// Takes over the fields that `later` has. Servers may spread usage over several records.
    pub fn absorb(&mut self, later: &Usage) {
        fn take<T: Copy>(slot: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *slot = later;
            }
        }
        take(&mut self.prompt_tokens, later.prompt_tokens);
        take(&mut self.cached_prompt_tokens, later.cached_prompt_tokens);
        take(&mut self.completion_tokens, later.completion_tokens);
        take(&mut self.total, later.total);
        take(&mut self.load, later.load);
        take(&mut self.prompt, later.prompt);
        take(&mut self.completion, later.completion);
        if later.note.is_some() {
            self.note.clone_from(&later.note);
        }
    }
}

mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_nanos))
    }
}
