//! The chosen server, and a client of it.

use std::fmt;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use towline::client::{Api, ApiKey, Endpoint, Timeouts, host};
use towline::{Client, Config};

use super::{Environment, ServerError};
use crate::settings::KeySource;

/// How long the server on this machine may take to accept a connection before it counts as absent.
const LOCAL_CONNECT: Duration = Duration::from_millis(300);

/// The user's choice of a server. By default there is none, and the environment applies. `Debug` does not
/// show the address, which may contain a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its address, in the notation of `OLLAMA_HOST`.
    pub host: Option<String>,
    /// Its name under `[servers]` in the configuration; no effect if there is an address.
    pub server: Option<String>,
}

impl fmt::Debug for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpec").field("server", &self.server).finish_non_exhaustive()
    }
}

/// How a server came to be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerSource {
    /// By `--host`.
    Argument,
    /// By `--server`.
    Server,
    /// By `OLLAMA_HOST`.
    Environment,
    /// By `host` in the configuration.
    Configuration,
    /// It answers at Ollama's default address.
    Local,
    /// It is a relay that was named, which has its own servers.
    Relay,
}

impl ServerSource {
    /// The option or variable, as the user types it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "--host",
            Self::Server => "--server",
            Self::Environment => "OLLAMA_HOST",
            Self::Configuration => "host in the configuration",
            Self::Local => "the default address",
            Self::Relay => "--relay",
        }
    }
}

/// A server that was found.
#[derive(Debug, Clone)]
pub struct ResolvedServer {
    /// A client of it.
    pub client: Client,
    /// How it came to be meant.
    pub source: ServerSource,
}

impl ServerSpec {
    /// The chosen server, with a client of it; `None` if none is named and none answers on this machine. A
    /// named server is not probed.
    ///
    /// # Cancel safety
    /// Safe.
    ///
    /// # Errors
    /// The named server is invalid, its key cannot be read, or the environment's connection settings are
    /// unusable.
    pub async fn find(
        &self,
        environment: &Environment,
        timeouts: Timeouts,
        api: Api,
    ) -> Result<Option<ResolvedServer>, ServerError> {
        let (spec, environment) = self.resolved(environment).await?;
        let config = Config { timeouts, api, ..Config::default() };
        if let Some((source, text)) = spec.named(&environment) {
            let endpoint = host::parse(text).map_err(|error| {
                ServerError::usage(
                    format!("{} does not name a server: {error}", source.as_str()),
                    "for example 127.0.0.1:11434, https://ollama.example, [::1]:11434 or unix:/run/ollama.sock",
                )
            })?;
            let api_key = environment.api_key.as_deref().map(ApiKey::new);
            let transport = environment.network.transport(&endpoint);
            let client = client(endpoint, Config { api_key, transport, ..config })?;
            return Ok(Some(ResolvedServer { client, source }));
        }
        if !answers(host::DEFAULT_PORT).await {
            return Ok(None);
        }
        let client = client(host::local(), config)?;
        Ok(Some(ResolvedServer { client, source: ServerSource::Local }))
    }

    /// The same specification with the address of the named server from the configuration, and an environment
    /// with its key.
    ///
    /// # Cancel safety
    /// Safe; a command that prints a key continues to run.
    ///
    /// # Errors
    /// If the configuration has no server of that name, or if its key cannot be read from the file or the
    /// command.
    pub async fn resolved(&self, environment: &Environment) -> Result<(Self, Environment), ServerError> {
        let (mut spec, mut environment) = (self.clone(), environment.clone());
        let Some(name) = self.server.as_ref().filter(|_| self.host.is_none()) else {
            return Ok((spec, environment));
        };
        let Some(server) = environment.servers.get(name) else {
            let names: Vec<&str> = environment.servers.keys().map(String::as_str).collect();
            let known = match names.as_slice() {
                [] => "the configuration has no servers; add them under [servers]".to_owned(),
                [_, ..] => format!("the servers are {}", names.join(", ")),
            };
            return Err(ServerError::usage(format!("there is no server called {name}"), known));
        };
        spec.host = Some(server.host.clone());
        environment.server_running = server.running;
        if let Some(source) = &server.key {
            let message = |why| format!("the key of the server {name} cannot be read: {why}");
            let key = key(source).await.map_err(|why| ServerError {
                is_usage: true,
                message: message(why),
                hint: None,
            })?;
            environment.api_key = Some(key);
        }
        Ok((spec, environment))
    }

    fn named<'a>(&'a self, environment: &'a Environment) -> Option<(ServerSource, &'a str)> {
        let by_argument = match self.server {
            Some(_) => ServerSource::Server,
            None => ServerSource::Argument,
        };
        let by_default = match environment.is_host_configured {
            true => ServerSource::Configuration,
            false => ServerSource::Environment,
        };
        let argument = self.host.as_deref().map(|host| (by_argument, host));
        argument.or_else(|| Some((by_default, environment.host.as_deref()?)))
    }
}

/// The first line of a file or of a command's output.
async fn key(source: &KeySource) -> Result<String, String> {
    let text = match source {
        KeySource::File(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        KeySource::Command(command) => {
            let mut shell = tokio::process::Command::new("sh");
            let shell = shell.args(["-c", command]).stdin(Stdio::inherit()).stderr(Stdio::inherit());
            let output = shell.output().await.map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(format!("{command}: {}", output.status));
            }
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
    };
    let line = text.lines().next().map(str::trim).filter(|key| !key.is_empty());
    line.map(str::to_owned).ok_or_else(|| "it is empty".to_owned())
}

/// Whether something accepts connections on a port of this machine.
///
/// # Cancel safety
/// Safe.
pub async fn answers(port: u16) -> bool {
    let connecting = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    matches!(tokio::time::timeout(LOCAL_CONNECT, connecting).await, Ok(Ok(_)))
}

/// A client with the environment's connection settings.
///
/// # Errors
/// When a proxy or a file of certificates cannot be used.
pub fn client(endpoint: Endpoint, config: Config) -> Result<Client, ServerError> {
    Client::with_config(endpoint, config).map_err(|error| {
        ServerError::usage(
            error.message,
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names the proxy, NO_PROXY the servers without one, SSL_CERT_FILE the \
             certificates; unset what does not apply",
        )
    })
}
