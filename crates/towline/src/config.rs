//! The configuration of a client.

use std::fmt;

use towline_core::dialect::ThinkTags;
use towline_core::retry::RetryPolicy;
use towline_core::timeouts::{Limits, Timeouts};

use crate::transport::TransportConfig;
use crate::via::Via;

/// The configuration of a client, apart from the address of its server. Build it with `..Config::default()`.
#[derive(Clone, Default)]
pub struct Config {
    /// Sent as `Authorization: Bearer …`, only to the client's own server, also after a redirect. If the
    /// server's address has a user and password, those are sent instead. Default: none.
    pub api_key: Option<ApiKey>,
    /// Additional headers for every request: name and value. They are sent wherever the key is sent, and
    /// replace the client's own headers of the same name. `Debug` never shows their values. Default: none.
    pub headers: Vec<(String, String)>,
    /// Which dialect `chat` speaks. Default: [`Api::Auto`].
    pub api: Api,
    /// The time limits of a request. Each request can override them.
    pub timeouts: Timeouts,
    /// The size limits of each response.
    pub limits: Limits,
    /// How to treat thinking that a server leaves in the text, between `<think>` and `</think>`. Default: it
    /// is separated from the text.
    pub think_tags: ThinkTags,
    /// When a request is retried automatically.
    pub retry: RetryPolicy,
    /// Connections, TLS, proxies, HTTP/2, redirects.
    pub transport: TransportConfig,
    /// Whether streams go through a relay, where they survive their readers. Default: [`Via::Server`].
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
    /// Ollama's; if the server does not have its chat endpoint, OpenAI's from then on.
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
    /// Trims whitespace around the key. An empty key counts as no key.
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
