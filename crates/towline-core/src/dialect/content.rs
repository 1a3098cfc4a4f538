//! The content of a message: a text, or a list of parts, which Mistral and Databricks send.

use std::collections::VecDeque;

use crate::error::{Error, ErrorKind, Fault};
use crate::event::Event;
use crate::json::Json;
use crate::quote::quote;

/// How deep parts may be nested.
const MAX_DEPTH: usize = 4;

/// Appends the texts and the thinking of `content`.
///
/// # Errors
/// A protocol error that names content that is neither: it would be lost.
pub(super) fn read(content: &Json<'_>, events: &mut VecDeque<Event>) -> Result<(), Error> {
    part(content, Event::Text, MAX_DEPTH, events)
}

/// Appends a text, or a list of texts, as thinking.
pub(super) fn read_thinking(content: &Json<'_>, events: &mut VecDeque<Event>) -> Result<(), Error> {
    part(content, Event::Thinking, MAX_DEPTH, events)
}

fn part(
    content: &Json<'_>,
    kind: fn(String) -> Event,
    depth: usize,
    events: &mut VecDeque<Event>,
) -> Result<(), Error> {
    match content {
        Json::Null => Ok(()),
        Json::String(text) => {
            if !text.is_empty() {
                events.push_back(kind(text.as_ref().to_owned()));
            }
            Ok(())
        }
        Json::Array(parts) if depth > 0 => {
            parts.iter().try_for_each(|content| part(content, kind, depth - 1, events))
        }
        Json::Object(_) if depth > 0 => typed(content, kind, depth - 1, events),
        Json::Bool(_) => Err(unreadable("a truth value")),
        Json::Integer(_) | Json::Number(_) => Err(unreadable("a number")),
        Json::Array(_) | Json::Object(_) => Err(unreadable("nested parts")),
    }
}

fn typed(
    content: &Json<'_>,
    kind: fn(String) -> Event,
    depth: usize,
    events: &mut VecDeque<Event>,
) -> Result<(), Error> {
    let named = content.get("type").and_then(Json::as_str);
    let (keys, kind): (&[&str], fn(String) -> Event) = match named {
        Some("text" | "output_text" | "input_text" | "summary_text" | "reasoning_text") => (&["text"], kind),
        Some("refusal") => (&["refusal"], kind),
        Some("thinking") => (&["thinking"], Event::Thinking),
        Some("reasoning") => (&["summary", "content", "reasoning", "text"], Event::Thinking),
        None if content.get("text").is_some() => (&["text"], kind),
        Some(other) => return Err(unreadable(other)),
        None => return Err(unreadable("a part without a type")),
    };
    let mut parts = keys.iter().filter_map(|key| content.get(key));
    parts.try_for_each(|inner| part(inner, kind, depth, events))
}

/// The server sent something that is neither text nor thinking, and would be lost.
pub(super) fn unreadable(what: &str) -> Error {
    let message = format!(
        "the server sent content that Towline cannot read: {}. It reads only text and thinking",
        quote(what.as_bytes())
    );
    Error::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true)
}
