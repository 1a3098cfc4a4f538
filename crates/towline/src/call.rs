//! The request of a stream to its server.

use bytes::Bytes;
use towline_core::api::ChatRequest;
use towline_core::dialect::Dialect;
use towline_core::error::Error;

use crate::handle::json_body;
use crate::relay;

const OPENAI_CHAT: &str = "/v1/chat/completions";

/// A request to the server.
pub(crate) struct Call {
    pub(crate) path: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) body: Result<Bytes, Error>,
    /// It is a chat that is repeated in OpenAI's dialect if the server does not know Ollama's.
    pub(crate) falls_back: bool,
    /// No request: an existing stream on a relay is read.
    pub(crate) attach: Option<Box<relay::Attach>>,
}

impl Call {
    pub(crate) fn new(path: &'static str, dialect: Dialect, body: Result<Bytes, Error>) -> Self {
        Self { path, dialect, body, falls_back: false, attach: None }
    }

    /// The chat of this body in OpenAI's dialect; `None` if the body is no chat.
    pub(crate) fn openai_chat(body: &Bytes) -> Option<Self> {
        let request: ChatRequest = serde_json::from_slice(body).ok()?;
        Some(Self::to_openai(&request))
    }

    pub(crate) fn to_openai(request: &ChatRequest) -> Self {
        Self::new(OPENAI_CHAT, Dialect::OpenAi, json_body(&request.openai_body()))
    }
}
