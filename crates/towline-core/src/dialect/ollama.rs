//! Ollama's own records: `chat`, `generate`, and the progress of `pull`, `push` and `create`.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Number;

use super::{Decoder, Verdict, count, text};
use crate::event::{Event, Image, Progress, TokenLogprob, Usage};
use crate::json::Json;
use crate::outcome::FinishReason;

impl Decoder {
    pub(super) fn ollama_record(&mut self, record: &Json<'_>, events: &mut VecDeque<Event>) -> Verdict {
        // `chat` nests its parts under `message`; `generate` has them beside the rest, its text named `response`.
        let is_chat = record.get("response").and_then(Json::as_str).is_none();
        let parts = record.get("message").filter(|m| is_chat && m.is_object()).unwrap_or(record);
        if let Some(thinking) = thinking(parts) {
            events.push_back(Event::Thinking(thinking.to_owned()));
        }
        if let Some(text) = text(parts, if is_chat { "content" } else { "response" }) {
            events.push_back(Event::Text(text.to_owned()));
        }
        let calls = parts.get("tool_calls").and_then(Json::as_array);
        for call in calls.into_iter().flatten() {
            self.tool_calls.whole(call, events);
        }
        let images = parts.get("images").and_then(Json::as_array);
        let single = record.get("image").into_iter();
        for base64 in
            images.into_iter().flatten().chain(single).filter_map(Json::as_str).filter(|i| !i.is_empty())
        {
            events.push_back(Event::Image(Image { base64: base64.to_owned() }));
        }
        if let Some(logprobs) = record.get("logprobs").and_then(logprobs) {
            events.push_back(Event::Logprobs(logprobs));
        }
        if record.get("done").and_then(Json::as_bool) != Some(true) {
            return Verdict::More;
        }
        if let Some(context) = record.get("context").and_then(Json::as_array) {
            self.context = context.iter().filter_map(Json::as_number).filter_map(Number::as_i64).collect();
        }
        let usage = usage(record);
        if usage != Usage::default() {
            events.push_back(Event::Usage(Box::new(usage)));
        }
        Verdict::Closed(text(record, "done_reason").map(FinishReason::parse))
    }

    pub(super) fn progress_record(&mut self, record: &Json<'_>, events: &mut VecDeque<Event>) -> Verdict {
        let status = text(record, "status").unwrap_or_default();
        events.push_back(Event::Progress(Box::new(Progress {
            status: status.to_owned(),
            digest: text(record, "digest").map(str::to_owned),
            completed: record.get("completed").and_then(count),
            total: record.get("total").and_then(count),
        })));
        if status == "success" { Verdict::Closed(Some(FinishReason::Success)) } else { Verdict::More }
    }
}

/// Reasoning under any of its three names; never two of them for one record.
pub(super) fn thinking<'a>(parts: &'a Json<'_>) -> Option<&'a str> {
    ["thinking", "reasoning_content", "reasoning"].into_iter().find_map(|name| text(parts, name))
}

/// A list of token log probabilities; entries of another shape are left out.
pub(super) fn logprobs(list: &Json<'_>) -> Option<Vec<TokenLogprob>> {
    let entries: Vec<TokenLogprob> = list.as_array()?.iter().filter_map(logprob).collect();
    Some(entries).filter(|entries| !entries.is_empty())
}

fn logprob(entry: &Json<'_>) -> Option<TokenLogprob> {
    Some(TokenLogprob {
        token: entry.get("token")?.as_str()?.to_owned(),
        logprob: entry.get("logprob")?.as_number()?.as_f64()?,
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
    }
}
