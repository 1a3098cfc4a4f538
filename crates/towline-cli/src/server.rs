//! Which server is meant, and a client of it.

use std::process::Stdio;
use std::time::Duration;

use towline::{Api, ApiKey, Client, Config, Endpoint, Timeouts, host};
use towline_app::settings::KeySource;

use crate::args::ServerArgs;
use crate::builtin::Builtin;
use crate::environment::Environment;
use crate::failure::{Complaint, Failure};
use crate::relayed::BUILTIN;

/// How long the server on this machine may take to accept a connection before it counts as not there.
const LOCAL_CONNECT: Duration = Duration::from_millis(300);

/// A server and how it came to be meant.
#[derive(Debug)]
pub struct Server {
    /// A client of it.
    pub client: Client,
    /// How it came to be meant.
    pub place: Place,
}

/// How a server came to be meant.
#[derive(Debug)]
pub enum Place {
    /// By `--host` or `OLLAMA_HOST`, or as the relay.
    Named(Named),
    /// It answers at Ollama's usual address.
    Local,
    /// None answers there: the built-in model, in this process.
    Builtin(Builtin),
    /// Behind the user's own relay, which was told which one: the server that was named, as it is shown, else one that the relay
    /// finds.
    Own(Option<String>),
}

/// Who named a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// `--host`.
    Argument,
    /// `--server`.
    Server,
    /// `OLLAMA_HOST`.
    Environment,
    /// `host` in the configuration.
    Configuration,
    /// It is the relay.
    Relay,
}

impl Named {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "--host",
            Self::Server => "--server",
            Self::Environment => "OLLAMA_HOST",
            Self::Configuration => "host in the configuration",
            Self::Relay => "--relay",
        }
    }
}

/// Whether the built-in model will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any server.
    Any,
    /// A server that keeps models.
    Keeper,
}

impl Server {
    /// The server that is meant, with a client of it. A server that is named is not probed.
    pub async fn find(
        args: &ServerArgs,
        environment: &Environment,
        timeouts: Timeouts,
        api: Api,
        need: Need,
    ) -> Result<Self, Failure> {
        let (args, environment) = args.resolved(environment).await?;
        if let Some((named, text)) = args.named(&environment) {
            let endpoint = host::parse(text).map_err(|error| {
                Failure::usage_with(
                    format!("{} does not name a server: {error}", named.as_str()),
                    "for example 127.0.0.1:11434, https://ollama.example, [::1]:11434 or unix:/run/ollama.sock",
                )
            })?;
            let api_key = environment.api_key.as_deref().map(ApiKey::new);
            let transport = environment.network.transport(&endpoint);
            let config = Config { timeouts, api, api_key, transport, ..Config::default() };
            return Ok(Self { client: client(endpoint, config)?, place: Place::Named(named) });
        }
        let config = Config { timeouts, api, ..Config::default() };
        if answers(host::DEFAULT_PORT).await {
            return Ok(Self { client: client(host::local(), config)?, place: Place::Local });
        }
        if need == Need::Keeper {
            return Err(Failure::Request(
                Complaint::new(format!(
                    "no server answers at {}, and the built-in model cannot do this",
                    host::local().host_port()
                ))
                .hint("start Ollama (ollama serve), or name another server with --host"),
                crate::exit::Exit::Failed,
            ));
        }
        let builtin = Builtin::start().await?;
        Ok(Self { client: client(builtin.endpoint(), config)?, place: Place::Builtin(builtin) })
    }

    /// Where it is, as it is shown: no path, no credentials.
    pub fn shown(&self) -> String {
        match &self.place {
            Place::Named(_) | Place::Local => self.client.endpoint().to_string(),
            Place::Builtin(_) => BUILTIN.to_owned(),
            Place::Own(named) => named.clone().unwrap_or_else(|| "your own relay".to_owned()),
        }
    }
}

impl ServerArgs {
    /// The same with the address of the server that the configuration calls so, and an environment with its key.
    ///
    /// # Errors
    /// When the configuration has no server of that name, or the file or command that has its key does not give it.
    pub async fn resolved(&self, environment: &Environment) -> Result<(Self, Environment), Failure> {
        let (mut args, mut environment) = (self.clone(), environment.clone());
        let Some(name) = self.server.as_ref().filter(|_| self.host.is_none()) else {
            return Ok((args, environment));
        };
        let Some(server) = environment.servers.get(name) else {
            let names: Vec<&str> = environment.servers.keys().map(String::as_str).collect();
            let known = match names.as_slice() {
                [] => "the configuration names none; write them under [servers]".to_owned(),
                [_, ..] => format!("those there are: {}", names.join(", ")),
            };
            return Err(Failure::usage_with(format!("there is no server called {name}"), known));
        };
        args.host = Some(server.host.clone());
        environment.server_running = server.running;
        if let Some(source) = &server.key {
            let key = key(source).await.map_err(|why| {
                Failure::usage(format!("the key of the server {name} cannot be read: {why}"))
            })?;
            environment.api_key = Some(key);
        }
        Ok((args, environment))
    }

    fn named<'a>(&'a self, environment: &'a Environment) -> Option<(Named, &'a str)> {
        let by_argument = if self.server.is_some() { Named::Server } else { Named::Argument };
        let by_default =
            if environment.is_host_configured { Named::Configuration } else { Named::Environment };
        let argument = self.host.as_deref().map(|host| (by_argument, host));
        argument.or_else(|| Some((by_default, environment.host.as_deref()?)))
    }
}

/// The first line of what a file holds or a command prints.
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
    line.map(str::to_owned).ok_or_else(|| "there is none".to_owned())
}

/// Whether something accepts connections on a port of this machine.
pub async fn answers(port: u16) -> bool {
    let connecting = tokio::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port));
    matches!(tokio::time::timeout(LOCAL_CONNECT, connecting).await, Ok(Ok(_)))
}

/// A client with what the environment says about connections.
pub fn client(endpoint: Endpoint, config: Config) -> Result<Client, Failure> {
    Client::with_config(endpoint, config).map_err(|error| {
        Failure::Usage(Complaint::new(error.message).hint(
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names the proxy, NO_PROXY the servers without one, SSL_CERT_FILE the \
             certificates; unset what does not apply",
        ))
    })
}
