//! Ollama's own records: `chat`, `generate`, and the progress of `pull`, `push` and `create`.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Decoder, Verdict, content, count, text};
use crate::error::Error;
use crate::event::{Event, Image, Progress, TokenLogprob, Usage};
use crate::json::Json;
use crate::outcome::FinishReason;

impl Decoder {
    pub(super) fn ollama_record(
        &mut self,
        record: &Json<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, Error> {
        let before = events.len();
        // `chat` nests its parts under `message`; `generate` has them at the top level, with the text named
        // `response`.
        let response = record.get("response").filter(|response| !response.is_null());
        let message = record.get("message").filter(|message| message.is_object() && response.is_none());
        let parts = message.unwrap_or(record);
        thinking(parts, events)?;
        if let Some(text) = response.or_else(|| parts.get("content")) {
            content::read(text, events)?;
        }
        let calls = parts.get("tool_calls").and_then(Json::as_array);
        for call in calls.into_iter().flatten() {
            self.tool_calls.whole(call, events);
        }
        let images = parts.get("images").and_then(Json::as_array);
        let single = record.get("image").into_iter();
        for base64 in images.into_iter().flatten().chain(single).filter_map(Json::as_str) {
            image(base64, events);
        }
        if let Some(logprobs) = record.get("logprobs").and_then(logprobs) {
            events.push_back(Event::Logprobs(logprobs));
        }
        let done = record.get("done").and_then(Json::as_bool);
        if done != Some(true) {
            let is_known = message.is_some() || response.is_some() || done.is_some() || events.len() > before;
            return Ok(if is_known { Verdict::More } else { Verdict::NotUnderstood });
        }
        if let Some(context) = record.get("context").and_then(Json::as_array) {
            self.context =
                context.iter().filter_map(|token| i64::try_from(token.as_integer()?).ok()).collect();
        }
        let usage = usage(record);
        if usage != Usage::default() {
            events.push_back(Event::Usage(Box::new(usage)));
        }
        Ok(Verdict::Closed(text(record, "done_reason").map(FinishReason::parse)))
    }

    pub(super) fn progress_record(
        &mut self,
        record: &Json<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<Verdict, Error> {
        let is_known = ["status", "digest", "completed", "total"].iter().any(|key| record.get(key).is_some());
        if !is_known {
            return Ok(Verdict::NotUnderstood);
        }
        let status = text(record, "status").unwrap_or_default();
        events.push_back(Event::Progress(Box::new(Progress {
            status: status.to_owned(),
            digest: text(record, "digest").map(str::to_owned),
            completed: record.get("completed").and_then(count),
            total: record.get("total").and_then(count),
        })));
        Ok(if status == "success" { Verdict::Closed(Some(FinishReason::Success)) } else { Verdict::More })
    }
}

/// Appends reasoning from one of its three names, never from two for one record; if there is none, the text
/// of OpenRouter's reasoning details.
pub(super) fn thinking(parts: &Json<'_>, events: &mut VecDeque<Event>) -> Result<(), Error> {
    for name in ["thinking", "reasoning_content", "reasoning"] {
        match parts.get(name) {
            Some(Json::String(text)) if !text.is_empty() => {
                events.push_back(Event::Thinking(text.as_ref().to_owned()));
                return Ok(());
            }
            Some(list @ Json::Array(parts)) if !parts.is_empty() => {
                return content::read_thinking(list, events);
            }
            Some(
                Json::Null
                | Json::Bool(_)
                | Json::Integer(_)
                | Json::Number(_)
                | Json::String(_)
                | Json::Array(_)
                | Json::Object(_),
            )
            | None => {}
        }
    }
    let details = parts.get("reasoning_details").and_then(Json::as_array).unwrap_or_default();
    for detail in details {
        let written = text(detail, "text").or_else(|| text(detail, "summary"));
        events.extend(written.map(|written| Event::Thinking(written.to_owned())));
    }
    Ok(())
}

/// Appends an image: base64, or a data URL with base64.
pub(super) fn image(text: &str, events: &mut VecDeque<Event>) {
    let base64 = text.split_once(";base64,").map_or(text, |(_, base64)| base64);
    if !base64.is_empty() {
        events.push_back(Event::Image(Image { base64: base64.to_owned() }));
    }
}

/// A list of token log probabilities; entries of another form are skipped.
pub(super) fn logprobs(list: &Json<'_>) -> Option<Vec<TokenLogprob>> {
    let entries: Vec<TokenLogprob> = list.as_array()?.iter().filter_map(logprob).collect();
    Some(entries).filter(|entries| !entries.is_empty())
}

fn logprob(entry: &Json<'_>) -> Option<TokenLogprob> {
    Some(TokenLogprob {
        token: entry.get("token")?.as_str()?.to_owned(),
        logprob: entry.get("logprob")?.as_f64()?,
        top_logprobs: entry.get("top_logprobs").and_then(logprobs).unwrap_or_default(),
    })
}

fn usage(record: &Json<'_>) -> Usage {
    let number = |key| record.get(key).and_then(count);
    let duration = |key| number(key).map(Duration::from_nanos);
    Usage {
        prompt_tokens: number("prompt_eval_count"),
        cached_prompt_tokens: number("prompt_eval_cached_count"),
        completion_tokens: number("eval_count"),
        total: duration("total_duration"),
        load: duration("load_duration"),
        prompt: duration("prompt_eval_duration"),
        completion: duration("eval_duration"),
        note: text(record, "note").map(str::to_owned),
    }
}
