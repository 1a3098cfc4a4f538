//! The model servers of a relay.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use towline::client::{ApiKey, Endpoint, host};

/// A model server.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct UpstreamConfig {
    /// Its name in lists and metrics.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Which API it speaks.
    pub api: UpstreamApi,
    /// The key that is sent to it, instead of any key from a client. Default: none.
    pub api_key: Option<ApiKey>,
    /// A file that contains only the key, read at the start. Replaces `api_key`. Default: none.
    pub key_file: Option<PathBuf>,
    /// A PEM file with certificates of additional authorities, read at the start. Default: none.
    pub roots: Option<PathBuf>,
    /// The maximum number of answers that run there at once; further ones are queued. Default: the relay's
    /// own limit.
    pub running: Option<usize>,
    /// Whether it is used only by requests that choose it, or if no other model server is healthy. Default:
    /// `false`.
    pub is_spare: bool,
}

/// The API of a model server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamApi {
    /// Ollama's, and OpenAI's under `/v1`.
    #[default]
    Ollama,
    /// OpenAI's only.
    OpenAi,
}

/// A table [[upstream]].
#[derive(Deserialize)]
#[serde(expecting = "a table [[upstream]]")]
struct Written {
    name: Option<String>,
    url: String,
    key_file: Option<PathBuf>,
    roots: Option<PathBuf>,
    running: Option<usize>,
}

/// The error for a text that names no model server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected http://HOST:PORT, https://HOST or unix:/path, with openai+ before it for a server that speaks OpenAI's API only"
)]
pub struct NotAServer;

impl UpstreamConfig {
    /// A server without a key, named by its address.
    pub fn new(endpoint: Endpoint, api: UpstreamApi) -> Self {
        Self {
            name: endpoint.to_string(),
            endpoint,
            api,
            api_key: None,
            key_file: None,
            roots: None,
            running: None,
            is_spare: false,
        }
    }
}

impl TryFrom<Written> for UpstreamConfig {
    type Error = NotAServer;

    fn try_from(written: Written) -> Result<Self, NotAServer> {
        let Written { name, url, key_file, roots, running } = written;
        let known: Self = url.parse()?;
        Ok(Self { name: name.unwrap_or(known.name), key_file, roots, running, ..known })
    }
}

/// Parses `URL` or `NAME=URL`, with `openai+` before the URL of a server that has only OpenAI's API. Its base
/// path may end in `/v1`, as OpenAI's clients write it.
impl FromStr for UpstreamConfig {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let is_name = |name: &&str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, url) = named.map_or((None, text), |(name, url)| (Some(name.to_owned()), url));
        let (api, url) = match url.strip_prefix("openai+") {
            Some(url) => (UpstreamApi::OpenAi, url),
            None => (UpstreamApi::Ollama, url),
        };
        let endpoint = host::parse(url).map_err(|_| NotAServer)?;
        let known = Self::new(endpoint, api);
        Ok(Self { name: name.unwrap_or(known.name), ..known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_server_has_a_name_and_an_api() {
        let known: UpstreamConfig = "gpu1=openai+https://llm.example/x/v1/".parse().unwrap();
        assert_eq!((known.name.as_str(), known.api), ("gpu1", UpstreamApi::OpenAi));
        assert_eq!((known.endpoint.host.as_str(), known.endpoint.base_path.as_str()), ("llm.example", "/x"));
        let known: UpstreamConfig = "10.0.0.5".parse().unwrap();
        assert_eq!((known.name.as_str(), known.api), ("http://10.0.0.5:11434", UpstreamApi::Ollama));
        assert!("http://exa mple".parse::<UpstreamConfig>().is_err());
    }
}
