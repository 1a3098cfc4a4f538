//! Which server is meant, and a client of it.

use std::time::Duration;

use towline::{Api, ApiKey, Client, Clocks, Config, Endpoint, Proxy, ProxyConfig, Scheme, TlsConfig, host};

use crate::args::ServerArgs;
use crate::builtin::Builtin;
use crate::environment::Environment;
use crate::failure::{Complaint, Failure};
use crate::out;

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
            let host = host::parse(text).map_err(|error| {
                Failure::usage_with(
                    format!("{} does not name a server: {error}", named.as_str()),
                    "for example 127.0.0.1:11434, https://ollama.example, [::1]:11434 or unix:/run/ollama.sock",
                )
            })?;
            if let Some(warning) = &host.warning {
                out::warning(&format!("{}: {warning}", named.as_str()));
            }
            let config = config(&host.endpoint, environment, clocks, api)?;
            return Ok(Self { client: client(host.endpoint, config)?, place: Place::Named(named) });
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

fn client(endpoint: Endpoint, config: Config) -> Result<Client, Failure> {
    let has_certificates = !config.transport.tls.extra_roots_pem.is_empty();
    Client::with_config(endpoint, config).map_err(|error| {
        let complaint = Complaint::new(error.message);
        Failure::Usage(if has_certificates {
            complaint.hint("the certificates are from the file that SSL_CERT_FILE names")
        } else {
            complaint
        })
    })
}

/// The configuration for a named server: with the key, proxies and certificates of the environment.
fn config(
    endpoint: &Endpoint,
    environment: &Environment,
    clocks: Clocks,
    api: Api,
) -> Result<Config, Failure> {
    let mut config = Config { clocks, api, ..Config::default() };
    config.api_key = environment.api_key.as_deref().map(ApiKey::new);
    config.transport.proxy = proxy(endpoint, environment)?;
    if endpoint.scheme == Scheme::Https
        && let Some(path) = &environment.ssl_cert_file
    {
        let pem = std::fs::read(path).map_err(|error| {
            Failure::usage_with(
                format!("SSL_CERT_FILE names {path}, which cannot be read: {error}"),
                "unset it to trust the usual authorities",
            )
        })?;
        config.transport.tls = TlsConfig { extra_roots_pem: vec![pem], only_extra_roots: true };
    }
    Ok(config)
}

/// The proxy on the way to `endpoint`. Its text may hold a password, so no message repeats it.
fn proxy(endpoint: &Endpoint, environment: &Environment) -> Result<ProxyConfig, Failure> {
    let (name, text) = match endpoint.scheme {
        Scheme::Http => ("HTTP_PROXY", &environment.http_proxy),
        Scheme::Https => ("HTTPS_PROXY", &environment.https_proxy),
        Scheme::Unix(_) => return Ok(ProxyConfig::default()),
    };
    let (name, text) = match (text, &environment.all_proxy) {
        (Some(text), _) => (name, text),
        (None, Some(text)) => ("ALL_PROXY", text),
        (None, None) => return Ok(ProxyConfig::default()),
    };
    let scheme = text.split_once("://").map_or("http", |(scheme, _)| scheme).to_ascii_lowercase();
    let url = if text.contains("://") { text.clone() } else { format!("http://{text}") };
    let proxy = match scheme.as_str() {
        "http" => Proxy::Http(url),
        "socks5" | "socks5h" | "socks" => Proxy::Socks5(url),
        other => {
            return Err(Failure::usage(format!(
                "{name} names a proxy of the kind {other:?}; known are http:// and socks5://"
            )));
        }
    };
    let no_proxy = environment.no_proxy.as_deref().unwrap_or_default();
    let no_proxy = no_proxy.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
    Ok(ProxyConfig { proxy, no_proxy: no_proxy.map(str::to_owned).collect(), loopback_through_proxy: false })
}
