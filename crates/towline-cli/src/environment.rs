//! What the environment says. It is read here, once, and nowhere else; the library never reads it.

use std::fmt;

/// The environment variables that matter. `Debug` shows no values: some are secret.
#[derive(Clone, Default)]
pub struct Environment {
    /// `OLLAMA_HOST`.
    pub host: Option<String>,
    /// `OLLAMA_API_KEY`.
    pub api_key: Option<String>,
    /// `TOWLINE_RELAY`.
    pub relay: Option<String>,
    /// `TOWLINE_RELAY_TOKEN`.
    pub relay_token: Option<String>,
    /// `TOWLINE_MODEL`.
    pub model: Option<String>,
    /// `HTTP_PROXY`.
    pub http_proxy: Option<String>,
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<String>,
    /// `ALL_PROXY`.
    pub all_proxy: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// `SSL_CERT_FILE`.
    pub ssl_cert_file: Option<String>,
}

impl Environment {
    /// The environment of this process.
    pub fn read() -> Self {
        // A variable that is set to nothing counts as not set.
        let read = |name: &str| {
            let value = std::env::var_os(name)?.to_string_lossy().trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let either = |lower: &str, upper: &str| read(lower).or_else(|| read(upper));
        Self {
            host: read("OLLAMA_HOST"),
            api_key: read("OLLAMA_API_KEY"),
            relay: read("TOWLINE_RELAY"),
            relay_token: read("TOWLINE_RELAY_TOKEN"),
            model: read("TOWLINE_MODEL"),
            http_proxy: either("http_proxy", "HTTP_PROXY"),
            https_proxy: either("https_proxy", "HTTPS_PROXY"),
            all_proxy: either("all_proxy", "ALL_PROXY"),
            no_proxy: either("no_proxy", "NO_PROXY"),
            ssl_cert_file: read("SSL_CERT_FILE"),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
