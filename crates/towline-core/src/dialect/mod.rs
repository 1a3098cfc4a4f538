//! Turns frames into events: the meaning of a record in each server dialect.
//!
//! Policy, the same for every dialect:
//!
//! | the frame is | what happens |
//! |---|---|
//! | known | it yields its events, in order |
//! | JSON with unknown fields | the known fields are used, the others are ignored |
//! | JSON without any known field | it is counted as not understood and kept, and never completes a stream |
//! | content that is neither text nor thinking | a protocol error that names it; earlier events are kept |
//! | an error, in any form that servers use | the stream fails with the server's message; earlier events are kept |
//! | not JSON | a protocol error; earlier events are kept |
//! | text with invalid UTF-8 or lone surrogates | U+FFFD replaces them and is counted; nothing else is lost |
//!
//! Most records of a stream differ only in their text. The decoder first tries the template of the previous
//! record; all records that do not match go to the general parser.

mod content;
mod failure;
mod messages;
mod ollama;
mod openai;
mod relayed;
pub(crate) mod repair;
mod responses;
mod template;
#[doc(hidden)]
pub mod testing;
mod think;
mod tool_calls;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::error::{Error, ErrorKind, Fault};
use crate::event::{Event, PartialToolCall, TextKind, Usage};
use crate::json::Json;
use crate::outcome::{FinishReason, NotUnderstood};
use crate::quote::quote;
use crate::wire::{ERROR_EVENT, Framing};

pub(crate) use relayed::Relayed;
use template::Templates;
use think::Tags;
pub use think::{ThinkTags, ThinkTagsFound};
use tool_calls::ToolCalls;

/// The meaning of a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Ollama's `chat` and `generate`: complete at `done:true`.
    Ollama,
    /// Ollama's `pull`, `push` and `create`: complete at `status:"success"`.
    OllamaProgress,
    /// OpenAI's chat completions and completions: complete at a `finish_reason` or at `[DONE]`.
    OpenAi,
    /// OpenAI's responses: complete at `response.completed` or `response.incomplete`, failed at `response.failed`.
    Responses,
    /// Anthropic's messages: complete at `message_stop`.
    Messages,
}

impl Dialect {
    /// The dialect of the streams from a `POST` to this path; `None` if it returns no stream.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/api/chat" | "/api/generate" => Some(Self::Ollama),
            "/api/pull" | "/api/push" | "/api/create" => Some(Self::OllamaProgress),
            "/v1/chat/completions" | "/v1/completions" => Some(Self::OpenAi),
            "/v1/responses" => Some(Self::Responses),
            "/v1/messages" => Some(Self::Messages),
            _ => None,
        }
    }

    /// Whether its streams are server-sent events; other streams are lines of JSON.
    pub fn is_sse(self) -> bool {
        match self {
            Self::Ollama | Self::OllamaProgress => false,
            Self::OpenAi | Self::Responses | Self::Messages => true,
        }
    }

    /// The framing of a streamed response. `content_type` is the response's, in lower case.
    ///
    /// Ollama's dialects are newline-delimited for any header, because compatible servers send a
    /// wrong one.
    pub fn framing(self, content_type: &str) -> Framing {
        match self.is_sse() {
            false => Framing::Ndjson,
            true if content_type.starts_with("application/json") => Framing::Whole,
            true => Framing::Sse,
        }
    }
}

/// The meaning of a frame for the stream as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The stream continues.
    More,
    /// It has no meaning, and was sent only to keep the connection alive.
    Nothing,
    /// It is not a known record.
    NotUnderstood,
    /// The answer is complete; only its usage may still follow.
    Finished(Option<FinishReason>),
    /// The answer is complete, and later records are ignored.
    Closed(Option<FinishReason>),
    /// The server reports a failure.
    Failed(Error),
    /// A relay reports how its job ended.
    Relayed(Relayed, Error),
}

/// A frame that is not a record of the dialect.
#[derive(Debug, PartialEq)]
pub(crate) struct NotARecord {
    /// The error for people.
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
    tags: Tags,
    /// The finish reason, if it arrives before the terminal record.
    reason: Option<FinishReason>,
    /// Whether a part of the answer has arrived, and whether tools were called.
    answered: Answered,
    /// Whether a record was understood.
    understood: bool,
    pub(crate) not_understood: NotUnderstood,
    /// The server gives up the answer, which only a record's missing fields show.
    pub(crate) gave_up: bool,
    pub(crate) replaced_text: u64,
    pub(crate) model: Option<String>,
    pub(crate) context: Vec<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answered {
    any: bool,
    calls: bool,
}

impl Decoder {
    pub(crate) fn new(dialect: Dialect, tags: ThinkTags) -> Self {
        Self {
            dialect,
            templates: Templates::new(dialect),
            tool_calls: ToolCalls::default(),
            tags: Tags::new(tags),
            reason: None,
            answered: Answered::default(),
            understood: false,
            not_understood: NotUnderstood::default(),
            gave_up: false,
            replaced_text: 0,
            model: None,
            context: Vec::new(),
        }
    }

    /// If `input` begins with a record like the previous one: its text, which is its only content, and its
    /// length.
    #[inline(always)]
    pub(crate) fn read_alike<'a>(&mut self, input: &'a [u8]) -> Option<(TextKind, Cow<'a, str>, usize)> {
        self.templates.read(input)
    }

    /// Decodes a frame that is not like the previous one and appends its events. The error is a protocol
    /// error.
    pub(crate) fn decode(
        &mut self,
        frame: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, NotARecord> {
        let (before, replaced) = (events.len(), self.replaced_text);
        let verdict = self.decode_any(frame, events)?;
        if verdict == Verdict::More
            && events.len() == before + 1
            && self.replaced_text == replaced
            && self.tags.is_in_answer()
        {
            self.templates.learn(frame, &events[before]);
        }
        if self.gave_up {
            // Later frames are inspected, not matched.
            self.templates.forget();
        }
        Ok(verdict)
    }

    /// How many records became the pattern for later ones.
    pub(crate) fn patterns(&self) -> u64 {
        self.templates.learnt
    }

    /// The event of a frame, if it has exactly one and no other meaning.
    fn event_of(dialect: Dialect, frame: &[u8]) -> Option<Event> {
        let (mut decoder, mut events) = (Self::new(dialect, ThinkTags::Keep), VecDeque::new());
        let verdict = decoder.decode_any(frame, &mut events);
        let is_all =
            events.len() == 1 && verdict == Ok(Verdict::More) && decoder.take_partial_tool_calls().is_empty();
        events.pop_front().filter(|_| is_all)
    }

    /// Decodes one frame with the general parser, without learning a template.
    pub(crate) fn decode_any(
        &mut self,
        frame: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, NotARecord> {
        if self.dialect == Dialect::OpenAi && frame.trim_ascii() == DONE {
            if !self.understood {
                return Ok(Verdict::Failed(self.nothing_before("[DONE]")));
            }
            self.tags.release_held(events);
            self.tool_calls.finish(events);
            return Ok(Verdict::Closed(None));
        }
        if let Some(words) = frame.strip_prefix(ERROR_EVENT) {
            return self.decode_error_event(words.trim_ascii());
        }
        let verdict = match self.parse(frame) {
            Ok(record) => self.record(&record, events),
            Err(error) => {
                let Some((repaired, replaced)) = repair::repair_text(frame) else { return Err(error) };
                let record = self.parse(repaired.as_bytes())?;
                self.replaced_text += replaced;
                self.record(&record, events)
            }
        };
        match verdict {
            Verdict::NotUnderstood => self.not_understood.add(frame),
            Verdict::Nothing => {}
            Verdict::More
            | Verdict::Finished(_)
            | Verdict::Closed(_)
            | Verdict::Failed(_)
            | Verdict::Relayed(..) => self.understood = true,
        }
        Ok(verdict)
    }

    /// The data of an error event is JSON or plain text.
    fn decode_error_event(&self, words: &[u8]) -> Result<Verdict, NotARecord> {
        match self.parse(words) {
            Ok(record) => Ok(failure::of_event(&record)),
            Err(error) if error.ends_early && !words.is_empty() => Err(error),
            Err(_) => Err(NotARecord { error: failure::of_words(words), ends_early: false }),
        }
    }

    fn record(&mut self, record: &Json<'_>, events: &mut VecDeque<Event>) -> Verdict {
        if let Some(failed) = failure::reported(record) {
            return failed;
        }
        if self.model.is_none() {
            // The dialects with typed events have it inside the object of the first event.
            let places = [Some(record), record.get("response"), record.get("message")];
            let mut models = places.into_iter().flatten().filter_map(|place| text(place, "model"));
            self.model = models.next().map(str::to_owned);
        }
        let before = events.len();
        let verdict = match self.dialect {
            Dialect::Ollama => self.ollama_record(record, events),
            Dialect::OllamaProgress => self.progress_record(record, events),
            Dialect::OpenAi => self.openai_record(record, events),
            Dialect::Responses => self.responses_record(record, events),
            Dialect::Messages => self.messages_record(record, events),
        };
        let verdict = match verdict {
            // An error in the content of a record; earlier events are kept.
            Err(error) => Verdict::Failed(error),
            Ok(Verdict::NotUnderstood) => failure::bare(record).unwrap_or(Verdict::NotUnderstood),
            Ok(verdict) => verdict,
        };
        let is_end = matches!(verdict, Verdict::Finished(_) | Verdict::Closed(_));
        self.tags.split(events, before, is_end);
        verdict
    }

    /// The error for a terminal marker before which no frame was understood.
    fn nothing_before(&self, marker: &str) -> Error {
        let mut message =
            format!("the server ended its answer ({marker}) without a single record of its protocol");
        if let Some(first) = self.not_understood.first.first() {
            message += &format!("; it sent {}", quote(&first.as_bytes()[..first.len().min(200)]));
        }
        Error::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true)
    }

    /// How much text the decoder holds back until it is complete.
    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        self.tool_calls.bytes() + self.tags.held_bytes()
    }

    /// Whether the text contained thinking.
    pub(crate) fn think_tags_found(&self) -> ThinkTagsFound {
        self.tags.found()
    }

    /// Releases the text that is held back, at the end of the stream.
    pub(crate) fn release_held(&mut self, events: &mut VecDeque<Event>) {
        self.tags.release_held(events);
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
            // Google's form of an error.
            Ok(Json::Array(mut list)) if list.first().is_some_and(|first| first.get("error").is_some()) => {
                Ok(list.swap_remove(0))
            }
            Ok(_) => Err(NotARecord::new(frame, "it is not an object", false)),
            Err(_) if frame.starts_with(b"<") => {
                Err(NotARecord { error: Error::page(200, frame), ends_early: false })
            }
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
        let error = Error::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true);
        Self { error, ends_early }
    }
}

/// The text of serde_json names a line and column, of which only the column has a meaning within one record.
fn error_without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// A count that servers send as an integer or as a float. The cast saturates.
fn count(value: &Json<'_>) -> Option<u64> {
    match value.as_integer() {
        Some(value) => u64::try_from(value).ok(),
        None => value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64),
    }
}

/// A string field that is present and not empty.
fn text<'a>(object: &'a Json<'_>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// The usage of the dialects that count input and output tokens.
fn token_usage(usage: Option<&Json<'_>>, cached: impl Fn(&Json<'_>) -> Option<u64>) -> Option<Event> {
    let usage = usage.filter(|usage| usage.is_object())?;
    let prompt_tokens = usage.get("input_tokens").and_then(count);
    let completion_tokens = usage.get("output_tokens").and_then(count);
    let cached_prompt_tokens = cached(usage);
    let usage = Usage { prompt_tokens, cached_prompt_tokens, completion_tokens, ..Usage::default() };
    (usage != Usage::default()).then(|| Event::Usage(Box::new(usage)))
}
