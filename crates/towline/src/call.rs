//! The request of a stream to its server.

use bytes::Bytes;
use towline_core::api::ChatRequest;
use towline_core::dialect::Dialect;
use towline_core::error::Error;

use crate::relay;

pub(crate) const OPENAI_CHAT: &str = "/v1/chat/completions";

/// A request to the server.
pub(crate) struct Call {
    pub(crate) path: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) body: Result<Bytes, Error>,
    /// The request for OpenAI's dialect, in case the server does not know Ollama's.
    pub(crate) openai: Option<Box<ChatRequest>>,
    /// No request: an existing stream on a relay is read.
    pub(crate) attach: Option<relay::Attach>,
}
