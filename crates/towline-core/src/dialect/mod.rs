//! From frames to events: what each server dialect means by a record.
//!
//! Policy, the same for every dialect:
//!
//! | the frame is | what happens |
//! |---|---|
//! | known | its events, in order |
//! | JSON with unknown fields | the known ones count, the others are ignored |
//! | an object with an `error` | the stream failed by the server's own word; what came before is kept |
//! | not JSON | a protocol error; what came before is kept |
//! | text with invalid UTF-8 or lone surrogates | U+FFFD stands in and is counted; nothing else is lost |
//!
//! Most records of a stream are alike but for their text. The template of such a record is matched first; whatever
//! it does not know goes to the general parser.

mod ollama;
mod openai;
mod relayed;
pub(crate) mod repair;
mod template;
#[doc(hidden)]
pub mod testing;
mod tool_calls;

use std::collections::VecDeque;

use crate::error::{Error, ErrorKind, Origin, message_in_error, quote};
use crate::event::{Event, PartialToolCall};
use crate::json::Json;
use crate::outcome::FinishReason;
use crate::wire::Framing;

pub(crate) use relayed::Relayed;
use template::Templates;
use tool_calls::ToolCalls;

/// What a stream's records mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Ollama's `chat` and `generate`: complete at `done:true`.
    Ollama,
    /// Ollama's `pull`, `push` and `create`: complete at `status:"success"`.
    OllamaProgress,
    /// OpenAI's chat completions: complete at a `finish_reason` or at `[DONE]`.
    OpenAi,
}

impl Dialect {
    /// The framing of a streamed response. `content_type` is the response's, in lower case.
    ///
    /// Ollama's dialect is newline-delimited whatever the header says: compatible servers mislabel it.
    pub fn framing(self, content_type: &str) -> Framing {
        match self {
            Self::Ollama | Self::OllamaProgress => Framing::Ndjson,
            Self::OpenAi if content_type.starts_with("application/json") => Framing::Whole,
            Self::OpenAi => Framing::Sse,
        }
    }
}

/// What a frame means for the stream as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The stream goes on.
    More,
    /// The answer is complete; only its usage may still follow.
    Finished(Option<FinishReason>),
    /// The answer is complete, and whatever may still follow does not count.
    Closed(Option<FinishReason>),
    /// The server says that it failed.
    Failed(Error),
    /// A relay says how its job ended.
    Relayed(Relayed, Error),
}

/// A frame that is not a record of the dialect.
#[derive(Debug, PartialEq)]
pub(crate) struct NotARecord {
    /// What to tell people.
    pub(crate) error: Error,
    /// The frame is the beginning of a record.
    pub(crate) ends_early: bool,
}

/// Decodes the frames of one stream.
#[derive(Debug)]
pub(crate) struct Decoder {
    dialect: Dialect,
    templates: Templates,
    tool_calls: ToolCalls,
    pub(crate) replaced_text: u64,
    pub(crate) model: Option<String>,
    pub(crate) context: Vec<i64>,
}

impl Decoder {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            templates: Templates::new(dialect),
            tool_calls: ToolCalls::default(),
            replaced_text: 0,
            model: None,
            context: Vec::new(),
        }
    }

    /// The one event of a frame that is like the last one: all that it means.
    #[inline]
    pub(crate) fn decode_alike(&mut self, frame: &[u8]) -> Option<Event> {
        self.templates.decode(frame)
    }

    /// Decodes a frame that is not like the last one and appends its events. The error is a protocol error.
    pub(crate) fn decode(
        &mut self,
        frame: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, NotARecord> {
        let (before, replaced) = (events.len(), self.replaced_text);
        let verdict = self.decode_any(frame, events)?;
        if verdict == Verdict::More && events.len() == before + 1 && self.replaced_text == replaced {
            self.templates.learn(frame, &events[before]);
        }
        Ok(verdict)
    }

    /// How many records were taken as the pattern of those after them.
    pub(crate) fn patterns(&self) -> u64 {
        self.templates.learnt
    }

    /// The one event that a frame means, if it means nothing else.
    fn event_of(dialect: Dialect, frame: &[u8]) -> Option<Event> {
        let (mut decoder, mut events) = (Self::new(dialect), VecDeque::new());
        let verdict = decoder.decode_any(frame, &mut events);
        let is_all =
            events.len() == 1 && verdict == Ok(Verdict::More) && decoder.take_partial_tool_calls().is_empty();
        events.pop_front().filter(|_| is_all)
    }

    /// Decodes one frame by the general parser, and learns nothing from it.
    pub(crate) fn decode_any(
        &mut self,
        frame: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, NotARecord> {
        if self.dialect == Dialect::OpenAi && frame.trim_ascii() == DONE {
            self.tool_calls.finish(events);
            return Ok(Verdict::Closed(None));
        }
        match self.parse(frame) {
            Ok(record) => Ok(self.record(&record, events)),
            Err(error) => {
                let Some((repaired, replaced)) = repair::repair_text(frame) else { return Err(error) };
                let record = self.parse(repaired.as_bytes())?;
                self.replaced_text += replaced;
                Ok(self.record(&record, events))
            }
        }
    }

    fn record(&mut self, record: &Json<'_>, events: &mut VecDeque<Event>) -> Verdict {
        if let Some(error) = record.get("error").filter(|error| !error.is_null()) {
            return server_error(error, record);
        }
        if self.model.is_none() {
            self.model = record.get("model").and_then(Json::as_str).map(str::to_owned);
        }
        match self.dialect {
            Dialect::Ollama => self.ollama_record(record, events),
            Dialect::OllamaProgress => self.progress_record(record, events),
            Dialect::OpenAi => self.openai_record(record, events),
        }
    }

    /// How much text it holds back until it is complete.
    pub(crate) fn held_bytes(&self) -> usize {
        self.tool_calls.bytes()
    }

    /// The tool calls that are not complete yet.
    pub(crate) fn take_partial_tool_calls(&mut self) -> Vec<PartialToolCall> {
        self.tool_calls.take_partial()
    }

    fn parse<'a>(&self, frame: &'a [u8]) -> Result<Json<'a>, NotARecord> {
        // Text that was checked as a whole is not checked again string by string.
        let parsed = match std::str::from_utf8(frame) {
            Ok(text) => serde_json::from_str::<Json<'a>>(text),
            Err(_) => serde_json::from_slice(frame),
        };
        match parsed {
            Ok(record) if record.is_object() => Ok(record),
            Ok(_) => Err(NotARecord::new(frame, "it is not an object", false)),
            Err(error) => {
                let ends_early = error.is_eof()
                    || (self.dialect == Dialect::OpenAi && DONE.starts_with(frame.trim_ascii()));
                Err(NotARecord::new(frame, &error_without_place(&error), ends_early))
            }
        }
    }
}

/// The OpenAI dialect's end mark.
const DONE: &[u8] = b"[DONE]";

impl NotARecord {
    fn new(frame: &[u8], why: &str, ends_early: bool) -> Self {
        let message = format!(
            "the server sent something that is not a record of its protocol ({why}): {}",
            quote(&frame[..frame.len().min(200)])
        );
        let error = Error::new(ErrorKind::Protocol, Origin::Protocol, message).with_effect(true);
        Self { error, ends_early }
    }
}

/// serde_json's text names a line and column; within one record only the column would mean anything.
fn error_without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// An `{"error":…}` record, whatever its other fields.
fn server_error(error: &Json<'_>, record: &Json<'_>) -> Verdict {
    let status =
        [record.get("StatusCode"), record.get("status_code"), error.get("code"), error.get("status")]
            .into_iter()
            .flatten()
            .filter_map(|status| status.as_number()?.as_u64())
            .find(|status| (400..600).contains(status));
    let mut message = message_in_error(error, record);
    if message.is_empty() {
        "the server reported an error without saying which".clone_into(&mut message);
    }
    let mut failure = Error::new(ErrorKind::Server, Origin::Server, message).with_effect(true);
    failure.status = status.and_then(|status| u16::try_from(status).ok());
    let Some(ended) = Relayed::of(error, record) else { return Verdict::Failed(failure) };
    match ended {
        Relayed::Failed => relayed::classify(&mut failure, record, error),
        Relayed::Truncated => relayed::truncated(&mut failure),
        Relayed::Cancelled | Relayed::TimedOut => {
            if let Some(cause) = relayed::cause(record) {
                failure.message = cause;
            }
        }
    }
    Verdict::Relayed(ended, failure)
}

/// A count that servers send as an integer or as a float. The cast saturates.
fn count(value: &Json<'_>) -> Option<u64> {
    let number = value.as_number()?;
    number.as_u64().or_else(|| number.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64))
}

/// A string field that is present and not empty.
fn text<'a>(object: &'a Json<'_>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str).filter(|text| !text.is_empty())
}
