//! What a client can be told.

use std::fmt;

use towline_core::dialect::ThinkTags;
use towline_core::retry::RetryPolicy;
use towline_core::timeouts::{Limits, Timeouts};

use crate::relay::Via;
use crate::transport::TransportConfig;

/// Everything a client can be told besides where its server is. Build it with `..Config::default()`.
#[derive(Clone, Default)]
pub struct Config {
    /// Sent as `Authorization: Bearer …`, to the client's own server only, also where that redirects. Where the server's
    /// address has a user and a password, they are sent instead. Default: none.
    pub api_key: Option<ApiKey>,
    /// Further headers of every request: name and value. They go where the key goes, and take the place of those the
    /// client would send under the same name. Their values are never shown. Default: none.
    pub headers: Vec<(String, String)>,
    /// Which dialect `chat` speaks. Default: [`Api::Auto`].
    pub api: Api,
    /// How long each part of a request may take. Each request can have its own.
    pub timeouts: Timeouts,
    /// The bounds of each response.
    pub limits: Limits,
    /// What is done about thinking that a server leaves inside the text, between `<think>` and `</think>`. Default: it
    /// is told apart.
    pub think_tags: ThinkTags,
    /// When a request is sent again by itself.
    pub retry: RetryPolicy,
    /// Connections, TLS, proxies, HTTP/2, redirects.
    pub transport: TransportConfig,
    /// Whether streams go through a relay, which lets them survive their readers. Default: [`Via::Server`].
    pub via: Via,
}

/// Without the values of headers, which may be secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api_key, headers, api, timeouts, limits, think_tags, retry, transport, via } = self;
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Config")
            .field("api_key", api_key)
            .field("headers", &names)
            .field("api", api)
            .field("timeouts", timeouts)
            .field("limits", limits)
            .field("think_tags", think_tags)
            .field("retry", retry)
            .field("transport", transport)
            .field("via", via)
            .finish()
    }
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
    /// Blanks around the key are dropped. An empty key is none.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
