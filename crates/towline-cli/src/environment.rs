//! What the environment says. It is read here, once, and nowhere else; the library never reads it.

use std::fmt;

use towline::NetworkVariables;

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
    /// There is a screen: `DISPLAY` or `WAYLAND_DISPLAY`, which macOS needs not.
    pub has_screen: bool,
    /// Proxies and certificates.
    pub network: NetworkVariables,
}

impl Environment {
    /// The environment of this process.
    pub fn read() -> Self {
        // A variable that is set to nothing counts as not set.
        let read = |name: &str| {
            let value = std::env::var_os(name)?.to_string_lossy().trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        Self {
            host: read("OLLAMA_HOST"),
            api_key: read("OLLAMA_API_KEY"),
            relay: read("TOWLINE_RELAY"),
            relay_token: read("TOWLINE_RELAY_TOKEN"),
            model: read("TOWLINE_MODEL"),
            has_screen: cfg!(target_os = "macos")
                || read("DISPLAY").or_else(|| read("WAYLAND_DISPLAY")).is_some(),
            network: NetworkVariables::read(read),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
