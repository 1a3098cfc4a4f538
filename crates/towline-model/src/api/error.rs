//! Refusals, in the formats of Ollama and OpenAI.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::response::{Body, json as respond};

/// The refusal of a request: a status, and a message.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// OpenAI's code for it, if there is one.
    code: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), code: None }
    }

    /// The body is invalid.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// A prompt or an input does not fit the context; lengths in tokens.
    pub(crate) fn too_long(length: usize, context: usize) -> Self {
        let text = "the input length exceeds the context length";
        let text = format!("{text}: {length} tokens, but the context holds {context}");
        Self { code: Some("context_length_exceeded"), ..Self::bad(text) }
    }

    /// The queue is full, or the requests exceed the memory limit.
    pub(crate) fn busy(why: &str) -> Self {
        let text = format!("server busy, please try again.  {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// The response, in OpenAI's format for OpenAI's clients.
    pub(crate) fn response(&self, openai: bool) -> Response<Body> {
        let Self { status, text, code } = self;
        let kind = match *status {
            StatusCode::NOT_FOUND => "not_found_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "api_error",
        };
        let error = json!({"message": text, "type": kind, "param": null, "code": code});
        respond(*status, &json!({"error": if openai { error } else { json!(text) }}))
    }
}
