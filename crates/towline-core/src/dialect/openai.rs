//! OpenAI's chunks of chat completions and completions, as llama.cpp, vLLM, Ollama's `/v1` and others send them.
//!
//! Only the first choice is read, because the client never asks for more than one.

use std::collections::VecDeque;
use std::time::Duration;

use super::ollama::{image, logprobs, thinking};
use super::{Decoder, Verdict, content, count, text};
use crate::error::{Error, ErrorKind, Fault};
use crate::event::{Event, Usage};
use crate::json::Json;
use crate::outcome::FinishReason;

/// The fields of a choice's parts that are known, whether or not they are read.
const PARTS: [&str; 14] = [
    "role",
    "content",
    "text",
    "refusal",
    "thinking",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "thinking_blocks",
    "tool_calls",
    "function_call",
    "images",
    "annotations",
    "provider_specific_fields",
];

impl Decoder {
    pub(super) fn openai_record(
        &mut self,
        record: &Json<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, Error> {
        let before = events.len();
        let choice = record.get("choices").and_then(|choices| choices.as_array()?.first());
        let finish = choice.and_then(|choice| text(choice, "finish_reason"));
        if let Some(choice) = choice {
            self.openai_choice(choice, events)?;
        }
        if finish.is_some() {
            self.tool_calls.finish(events);
        }
        // When its runner was killed, Ollama's `/v1` continues without an error: it sends an empty chunk with
        // an empty model name.
        let is_nameless = record.get("model").and_then(Json::as_str) == Some("");
        self.gave_up = is_nameless
            && self.model.is_some()
            && finish.is_none()
            && events.len() == before
            && text(record, "system_fingerprint") == Some("fp_ollama");
        if let Some(usage) = usage(record) {
            events.push_back(Event::Usage(Box::new(usage)));
        }
        if let Some(note) = finish.and_then(|_| text(record, "note")) {
            let usage = Usage { note: Some(note.to_owned()), ..Usage::default() };
            events.push_back(Event::Usage(Box::new(usage)));
        }
        match finish {
            None if is_known(record, choice) || events.len() > before => Ok(Verdict::More),
            None if text(record, "type") == Some("ping") => Ok(Verdict::Nothing),
            None => Ok(Verdict::NotUnderstood),
            Some("error") => Err(Error::new(
                ErrorKind::Server,
                Fault::Server,
                "the server finished with an error it did not explain",
            )
            .with_effect(true)),
            Some(reason) => Ok(Verdict::Finished(Some(FinishReason::parse(reason)))),
        }
    }

    fn openai_choice(&mut self, choice: &Json<'_>, events: &mut VecDeque<Event>) -> Result<(), Error> {
        let parts = parts(choice);
        thinking(parts, events)?;
        let before = events.len();
        for content in [parts.get("content"), choice.get("text"), parts.get("refusal")].into_iter().flatten()
        {
            content::read(content, events)?;
            if events.len() > before {
                break;
            }
        }
        if parts.get("audio").is_some_and(Json::is_object) {
            return Err(content::unreadable("audio"));
        }
        let calls = parts.get("tool_calls").and_then(Json::as_array).unwrap_or_default();
        for (place, call) in calls.iter().enumerate() {
            self.tool_calls.fragment(call, place, calls.len(), events);
        }
        if let Some(call) = parts.get("function_call").filter(|call| call.is_object()) {
            self.tool_calls.fragment(call, 0, 1, events);
        }
        for url in parts.get("images").and_then(Json::as_array).into_iter().flatten() {
            if let Some(url) = url.get("image_url").and_then(|image| image.get("url")).and_then(Json::as_str)
            {
                image(url, events);
            }
        }
        if let Some(logprobs) = choice.get("logprobs").and_then(|l| l.get("content")).and_then(logprobs) {
            events.push_back(Event::Logprobs(logprobs));
        }
        Ok(())
    }
}

/// A streamed chunk has a `delta`, an unstreamed answer a `message`, and a text completion neither.
fn parts<'a>(choice: &'a Json<'a>) -> &'a Json<'a> {
    let nested = choice.get("delta").or_else(|| choice.get("message"));
    nested.filter(|parts| !parts.is_null()).unwrap_or(choice)
}

/// Whether a JSON object that yields no events is a chunk: it has a choice with known parts or without parts,
/// or only counts and names.
fn is_known(record: &Json<'_>, choice: Option<&Json<'_>>) -> bool {
    let Some(choice) = choice else {
        let has_no_choice =
            record.get("choices").is_some_and(|choices| choices.is_null() || choices.as_array().is_some());
        return has_no_choice
            || record.get("usage").is_some_and(Json::is_object)
            || text(record, "object").is_some_and(|object| object.contains("completion"));
    };
    let Json::Object(fields) = parts(choice) else { return false };
    let mut names =
        fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_ref()).peekable();
    names.peek().is_none()
        || names.any(|name| PARTS.contains(&name) || name == "index" || name == "finish_reason")
}

/// The `usage` of a chunk, with llama.cpp's `timings` if it has any.
fn usage(record: &Json<'_>) -> Option<Usage> {
    let usage = record.get("usage").filter(|usage| usage.is_object())?;
    let timings = record.get("timings");
    let milliseconds = |key| {
        let ms = timings.and_then(|t| t.get(key)).and_then(Json::as_f64)?;
        Duration::try_from_secs_f64(ms / 1000.0).ok()
    };
    Some(Usage {
        prompt_tokens: usage.get("prompt_tokens").and_then(count),
        cached_prompt_tokens: usage
            .get("prompt_tokens_details")
            .and_then(|details| details.get("cached_tokens"))
            .and_then(count),
        completion_tokens: usage.get("completion_tokens").and_then(count),
        total: None,
        load: None,
        prompt: milliseconds("prompt_ms"),
        completion: milliseconds("predicted_ms"),
        note: None,
    })
}
