//! Settings from the environment. A program reads them once; nothing else reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use towline::client::NetworkVariables;

use crate::settings::{Config, NamedServer};

/// The relevant environment variables. `Debug` shows no values, because some are secret.
#[derive(Clone, Default)]
pub struct Environment {
    /// `OLLAMA_HOST`, else the configuration's.
    pub host: Option<String>,
    /// Whether the host is from the configuration.
    pub is_host_configured: bool,
    /// The configuration's servers by name.
    pub servers: BTreeMap<String, NamedServer>,
    /// `OLLAMA_API_KEY`.
    pub api_key: Option<String>,
    /// How many answers run at once on the chosen server, if the configuration names it and sets a limit.
    pub server_running: Option<usize>,
    /// `TOWLINE_RELAY`.
    pub relay: Option<String>,
    /// `TOWLINE_RELAY_TOKEN`.
    pub relay_token: Option<String>,
    /// `TOWLINE_MODEL`, else the configuration's.
    pub model: Option<String>,
    /// Whether there is a screen: `DISPLAY` or `WAYLAND_DISPLAY`; macOS needs neither.
    pub has_screen: bool,
    /// Proxies and certificates.
    pub network: NetworkVariables,
    /// `XDG_RUNTIME_DIR`: the folder for sockets.
    pub runtime: Option<PathBuf>,
    /// The folder for temporary files, also for sockets if there is no other.
    pub temporary: PathBuf,
    /// The program to start as the user's own relay; `None` if there is none.
    pub program: Option<PathBuf>,
}

impl Environment {
    /// Reads these variables. An empty variable counts as unset.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let read = |name: &str| {
            let value = variable(name)?.to_string_lossy().trim().to_owned();
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
            runtime: read("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute()),
            network: NetworkVariables::read(read),
            ..Self::default()
        }
    }

    /// The same, completed by the configuration.
    #[must_use]
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

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
