//! OpenAI's chat completion chunks, as llama.cpp, vLLM, Ollama's `/v1` and others send them.
//!
//! Only the first choice is read: the client never asks for more than one.

use std::collections::VecDeque;
use std::time::Duration;

use super::ollama::{logprobs, thinking};
use super::{Decoder, Verdict, count, text};
use crate::error::{Error, ErrorKind, Origin};
use crate::event::{Event, Usage};
use crate::json::Json;
use crate::outcome::FinishReason;

impl Decoder {
    pub(super) fn openai_record(&mut self, record: &Json<'_>, events: &mut VecDeque<Event>) -> Verdict {
        let choice = record.get("choices").and_then(|choices| choices.as_array()?.first());
        let finish = choice.and_then(|choice| text(choice, "finish_reason"));
        if let Some(choice) = choice {
            self.openai_choice(choice, events);
        }
        if finish.is_some() {
            self.tool_calls.finish(events);
        }
        if let Some(usage) = usage(record) {
            events.push_back(Event::Usage(Box::new(usage)));
        }
        match finish {
            None => Verdict::More,
            Some("error") => Verdict::Failed(
                Error::new(
                    ErrorKind::Server,
                    Origin::Server,
                    "the server finished with an error it did not explain",
                )
                .with_effect(true),
            ),
            Some(reason) => Verdict::Finished(Some(FinishReason::parse(reason))),
        }
    }

    fn openai_choice(&mut self, choice: &Json<'_>, events: &mut VecDeque<Event>) {
        // A streamed chunk has a `delta`, an answer that was not streamed a `message`, a text completion neither.
        let parts = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(choice);
        if let Some(thinking) = thinking(parts) {
            events.push_back(Event::Thinking(thinking.to_owned()));
        }
        if let Some(text) =
            text(parts, "content").or_else(|| text(choice, "text")).or_else(|| text(parts, "refusal"))
        {
            events.push_back(Event::Text(text.to_owned()));
        }
        let calls = parts.get("tool_calls").and_then(Json::as_array);
        for (place, call) in calls.into_iter().flatten().enumerate() {
            self.tool_calls.fragment(call, place, events);
        }
        if let Some(logprobs) = choice.get("logprobs").and_then(|l| l.get("content")).and_then(logprobs) {
            events.push_back(Event::Logprobs(logprobs));
        }
    }
}

/// The `usage` of a chunk, with llama.cpp's `timings` where they come along.
fn usage(record: &Json<'_>) -> Option<Usage> {
    let usage = record.get("usage").filter(|usage| usage.is_object())?;
    let timings = record.get("timings");
    let milliseconds = |key| {
        let ms = timings.and_then(|t| t.get(key)).and_then(Json::as_number)?.as_f64()?;
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
    })
}
