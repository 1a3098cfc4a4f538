//! Answers on the wire: record by record, each in its own chunk, or joined in one object.

use std::time::{Duration, Instant};

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::response::{Body, JSON, json as respond, to_json};
use crate::engine::answer::{Ending, Finish};

/// The record format of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chat,
    Generate,
    /// OpenAI's chat completions, and the id of this one.
    Completions(u64),
}

/// The contents of records besides text.
pub(crate) struct About {
    shape: Shape,
    /// The model's name, as in the request.
    model: String,
    pub(crate) began: Instant,
    created: Timestamp,
    pub(crate) load_time: Duration,
    /// A note about the prompt for the user, in the last record.
    pub(crate) note: Option<String>,
    /// Whether a usage chunk precedes OpenAI's end of a stream.
    pub(crate) include_usage: bool,
    /// Whether the last record contains the tokens of prompt and answer.
    pub(crate) reports_context: bool,
}

impl About {
    pub(crate) fn new(shape: Shape, model: String) -> Self {
        let (began, created, load_time) = (Instant::now(), Timestamp::now(), Duration::ZERO);
        let (note, include_usage, reports_context) = (None, false, false);
        Self { shape, model, began, created, load_time, note, include_usage, reports_context }
    }

    /// The content type.
    pub(crate) fn kind(&self, streams: bool) -> &'static str {
        match self.shape {
            _ if !streams => JSON,
            Shape::Chat | Shape::Generate => "application/x-ndjson",
            Shape::Completions(_) => "text/event-stream",
        }
    }

    /// The response to a request that only loads or unloads.
    pub(crate) fn loaded(&self, done_reason: &str) -> Response<Body> {
        let mut record = self.record("");
        record["done"] = json!(true);
        record["done_reason"] = json!(done_reason);
        respond(StatusCode::OK, &record)
    }

    /// The response to a request that only renders the prompt.
    pub(crate) fn rendered(&self, prompt: &str) -> Vec<u8> {
        let mut record = self.record("");
        record["_debug_info"] = json!({"rendered_template": prompt});
        to_json(&record)
    }

    /// The bytes of a piece in a stream.
    pub(crate) fn piece(&self, text: &str, is_first: bool) -> Vec<u8> {
        match self.shape {
            Shape::Chat | Shape::Generate => line(&self.record(text)),
            Shape::Completions(id) if is_first => data(&self.completion(id, "delta", &message(text), None)),
            Shape::Completions(id) => data(&self.completion(id, "delta", &json!({"content": text}), None)),
        }
    }

    /// The bytes that end a stream.
    pub(crate) fn end(&self, prompt: &[u32], finish: &Finish) -> Vec<u8> {
        let Shape::Completions(id) = self.shape else {
            return line(&self.last("", prompt, finish));
        };
        let mut bytes = data(&self.completion(id, "delta", &json!({}), Some(finish)));
        if self.include_usage {
            let mut counts = self.completion(id, "delta", &json!({}), None);
            counts["choices"] = json!([]);
            counts["usage"] = usage(prompt, finish);
            bytes.extend(data(&counts));
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        bytes
    }

    /// The whole answer as one object.
    pub(crate) fn whole(&self, text: &str, prompt: &[u32], finish: &Finish) -> Vec<u8> {
        let Shape::Completions(id) = self.shape else {
            return to_json(&self.last(text, prompt, finish));
        };
        let mut object = self.completion(id, "message", &message(text), Some(finish));
        object["usage"] = usage(prompt, finish);
        to_json(&object)
    }

    /// One of Ollama's records.
    fn record(&self, text: &str) -> Value {
        let mut record = json!({"model": self.model, "created_at": Timestamp::now().to_string()});
        match self.shape {
            Shape::Generate => record["response"] = json!(text),
            Shape::Chat | Shape::Completions(_) => record["message"] = message(text),
        }
        record["done"] = json!(false);
        record
    }

    /// Ollama's last record.
    fn last(&self, text: &str, prompt: &[u32], finish: &Finish) -> Value {
        let mut record = self.record(text);
        record["done"] = json!(true);
        record["done_reason"] = json!(reason(finish));
        if let Some(note) = &self.note {
            record["note"] = json!(note);
        }
        if self.reports_context {
            record["context"] = json!([prompt, &finish.tokens].concat());
        }
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for (key, number) in [
            ("total_duration", nanoseconds(self.began.elapsed())),
            ("load_duration", nanoseconds(self.load_time)),
            ("prompt_eval_count", prompt.len() as u64),
            ("prompt_eval_duration", nanoseconds(finish.prompt_time)),
            ("eval_count", finish.answer_tokens as u64),
            ("eval_duration", nanoseconds(finish.answer_time)),
        ] {
            // Go omits zeros.
            if number > 0 {
                record[key] = json!(number);
            }
        }
        record
    }

    /// One of OpenAI's objects: the content of the choice is its `delta` or its `message`.
    fn completion(&self, id: u64, part: &str, says: &Value, finish: Option<&Finish>) -> Value {
        let object = if part == "delta" { "chat.completion.chunk" } else { "chat.completion" };
        let mut completion = json!({
            "id": format!("chatcmpl-{id:x}"),
            "object": object,
            "created": self.created.as_second(),
            "model": self.model,
            "system_fingerprint": "fp_towline",
            "choices": [{"index": 0, part: says, "finish_reason": finish.map(reason)}],
        });
        if let Some(note) = self.note.as_ref().filter(|_| finish.is_some()) {
            completion["note"] = json!(note);
        }
        completion
    }
}

fn message(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn line(record: &Value) -> Vec<u8> {
    [to_json(record).as_slice(), b"\n"].concat()
}

fn data(object: &Value) -> Vec<u8> {
    [b"data: ", to_json(object).as_slice(), b"\n\n"].concat()
}

fn reason(finish: &Finish) -> &'static str {
    match finish.ending {
        Ending::Stop => "stop",
        Ending::Length => "length",
    }
}

fn usage(prompt: &[u32], finish: &Finish) -> Value {
    let (prompt, answer) = (prompt.len(), finish.answer_tokens);
    json!({"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer})
}
