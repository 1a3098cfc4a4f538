//! What the environment says. It is read here, once, and nowhere else; the library never reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use towline::NetworkVariables;
use towline_app::settings::{self, Config, NamedServer};

use crate::failure::Failure;

/// The environment variables that matter. `Debug` shows no values: some are secret.
#[derive(Clone, Default)]
pub struct Environment {
    /// `OLLAMA_HOST`, else the configuration's.
    pub host: Option<String>,
    /// The host is the configuration's.
    pub is_host_configured: bool,
    /// The configuration's servers by name.
    pub servers: BTreeMap<String, NamedServer>,
    /// `OLLAMA_API_KEY`.
    pub api_key: Option<String>,
    /// How many answers run at once on the server that is meant, as the configuration says of one that it names.
    pub server_running: Option<usize>,
    /// `TOWLINE_RELAY`.
    pub relay: Option<String>,
    /// `TOWLINE_RELAY_TOKEN`.
    pub relay_token: Option<String>,
    /// `TOWLINE_MODEL`, else the configuration's.
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
            is_host_configured: false,
            servers: BTreeMap::new(),
            server_running: None,
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

impl Environment {
    /// The same, and what the configuration says where it says nothing.
    pub fn with(mut self, config: &Config) -> Self {
        if self.host.is_none() {
            self.is_host_configured = config.host.is_some();
            self.host.clone_from(&config.host);
        }
        self.model = self.model.or_else(|| config.model.clone());
        self.servers.clone_from(&config.servers);
        self
    }
}

/// The configuration: the file that is named, else what `TOWLINE_CONFIG` or the user's folder has, if anything; and what to
/// warn about.
///
/// # Errors
/// When the file that is named is not there.
pub fn config(named: Option<&Path>) -> Result<(Config, Vec<String>), Failure> {
    if let Some(path) = named.filter(|path| !path.exists()) {
        return Err(Failure::usage_with(
            format!("there is no configuration file {}", path.display()),
            "docs/config.example.toml shows what one can say",
        ));
    }
    let path = named.map(Path::to_owned).or_else(|| settings::path(std::env::var_os("TOWLINE_CONFIG")));
    Ok(path.map(|path| settings::read(&path)).unwrap_or_default())
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
