//! Refusals, as clients of Ollama and OpenAI expect them.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::response::{Body, json as respond};

/// Why a request was refused: a status, and words for people.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// OpenAI's name for it, where there is one.
    code: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), code: None }
    }

    /// The body does not fit.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// A prompt or an input does not fit the context; lengths in tokens.
    pub(crate) fn too_long(length: usize, context: usize) -> Self {
        let text = "the input length exceeds the context length";
        let text = format!("{text}: {length} tokens, but the context holds {context}");
        Self { code: Some("context_length_exceeded"), ..Self::bad(text) }
    }

    /// More requests wait than may, or they take more memory than they may.
    pub(crate) fn busy(why: &str) -> Self {
        let text = format!("server busy, please try again.  {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// In OpenAI's shape where the client is one of OpenAI's.
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
