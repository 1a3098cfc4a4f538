//! Which server is meant, and a client of it.

use std::time::Duration;

use towline::{Api, ApiKey, Client, Clocks, Config, Endpoint, host};

use crate::args::ServerArgs;
use crate::builtin::Builtin;
use crate::environment::Environment;
use crate::failure::{Complaint, Failure};

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
    /// `OLLAMA_HOST`.
    Environment,
    /// It is the relay.
    Relay,
}

impl Named {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "--host",
            Self::Environment => "OLLAMA_HOST",
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
        clocks: Clocks,
        api: Api,
        need: Need,
    ) -> Result<Self, Failure> {
        if let Some((named, text)) = named(args, environment) {
            let endpoint = host::parse(text).map_err(|error| {
                Failure::usage_with(
                    format!("{} does not name a server: {error}", named.as_str()),
                    "for example 127.0.0.1:11434, https://ollama.example, [::1]:11434 or unix:/run/ollama.sock",
                )
            })?;
            let api_key = environment.api_key.as_deref().map(ApiKey::new);
            let transport = environment.network.transport(&endpoint);
            let config = Config { clocks, api, api_key, transport, ..Config::default() };
            return Ok(Self { client: client(endpoint, config)?, place: Place::Named(named) });
        }
        let config = Config { clocks, api, ..Config::default() };
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
            Place::Builtin(_) => "built-in".to_owned(),
            Place::Own(named) => named.clone().unwrap_or_else(|| "your own relay".to_owned()),
        }
    }
}

fn named<'a>(args: &'a ServerArgs, environment: &'a Environment) -> Option<(Named, &'a str)> {
    let by_argument = args.host.as_deref().map(|host| (Named::Argument, host));
    by_argument.or_else(|| Some((Named::Environment, environment.host.as_deref()?)))
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
