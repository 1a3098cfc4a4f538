//! What a client can be told.

use std::fmt;

use towline_core::clocks::{Clocks, Limits};
use towline_core::retry::RetryPolicy;

use crate::transport::TransportConfig;

/// Everything a client can be told besides where its server is. Build it with `..Config::default()`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Sent as `Authorization: Bearer …`, to the client's own server only. Default: none.
    pub api_key: Option<ApiKey>,
    /// Further headers of every request: name and value. Default: none.
    pub headers: Vec<(String, String)>,
    /// Which dialect `chat` speaks. Default: [`Api::Auto`].
    pub api: Api,
    /// How long each part of a request may take. Each request can have its own.
    pub clocks: Clocks,
    /// The bounds of each response.
    pub limits: Limits,
    /// When a request is sent again by itself.
    pub retry: RetryPolicy,
    /// Connections, TLS, proxies, HTTP/2, redirects.
    pub transport: TransportConfig,
}

/// Which dialect a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// Ollama's; where the server does not know its chat endpoint, OpenAI's from then on.
    #[default]
    Auto,
    /// Ollama's.
    Ollama,
    /// OpenAI's chat completions, for chat; the other endpoints stay Ollama's.
    OpenAi,
}

/// A key that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Blanks around the key are dropped.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(<hidden>)")
    }
}
