//! The server that answers, directly or behind a relay, else the built-in model in its own process. The
//! search runs in the background.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use towline::client::{Endpoint, host};
use towline::engine::Task;
use towline::{Client, Config, Engine};
use towline_app::servers::{self, Answering, Environment, RunTarget, ServerSpec};
use towline_app::settings::RelaySetting;

/// The name of the program that has the built-in model.
const PROGRAM: &str = "towline";
/// The built-in model's name.
pub const BUILTIN_MODEL: &str = "brook";

/// The note if no server is named and none answers.
const NO_SERVER: &str = "no server found: using the built-in model";

/// The inputs of the search for a server.
#[derive(Debug, Clone)]
pub struct ServerSearch {
    /// The server that was named.
    pub spec: ServerSpec,
    /// The settings of the environment and the configuration.
    pub environment: Environment,
    /// Where answers run.
    pub wanted: RunTarget,
    /// Where the configuration makes them run: a window in which they run also knows that relay, and can
    /// switch to it.
    pub configured: RelaySetting,
}

impl ServerSearch {
    /// The environment's settings, with answers that run in the window.
    pub fn direct(environment: Environment) -> Self {
        Self {
            spec: ServerSpec::default(),
            environment,
            wanted: RunTarget::Here,
            configured: RelaySetting::Own,
        }
    }
}

/// A server that was found.
#[derive(Debug)]
pub struct ConnectedServer {
    /// A client of it, or of the relay in front of it.
    pub client: Client,
    /// Where it is, for people: no path, no credentials.
    pub shown: String,
    /// Answers run on a relay.
    pub is_on_relay: bool,
    /// The built-in model answers.
    pub is_builtin: bool,
    /// The built-in model's process; dropping it ends it.
    pub builtin: Option<Builtin>,
    /// The reason why answers run here although they should not.
    pub why_here: Option<String>,
}

impl ConnectedServer {
    /// The server of this client.
    pub fn direct(client: Client) -> Self {
        let shown = client.endpoint().to_string();
        Self { client, shown, is_on_relay: false, is_builtin: false, builtin: None, why_here: None }
    }
}

/// The state of the search.
#[derive(Debug)]
pub enum Server {
    /// It continues.
    Searching(Task<Result<ConnectedServer, String>>),
    /// There is one.
    Connected(Box<ConnectedServer>),
    /// There is none; with the reason, and what to do.
    NotFound(String),
}

impl Server {
    /// Searches for a server on the engine.
    pub fn find(search: ServerSearch, engine: &Engine) -> Self {
        Self::Searching(engine.spawn("find the server", find(search)))
    }

    /// Takes the result once there is one: `true` if a server was found.
    pub fn poll(&mut self, engine: &Engine) -> bool {
        let Self::Searching(task) = self else { return false };
        if task.job.outcome().is_none() {
            return false;
        }
        engine.forget(task.job.id());
        *self = match task.take_value() {
            Some(Ok(found)) => Self::Connected(Box::new(found)),
            Some(Err(why)) => Self::NotFound(why),
            None => Self::NotFound("the search for a server was stopped".to_owned()),
        };
        true
    }

    /// The found server, once there is one.
    pub fn connected(&self) -> Option<&ConnectedServer> {
        match self {
            Self::Connected(found) => Some(found),
            Self::Searching(_) | Self::NotFound(_) => None,
        }
    }

    /// The client, once there is a server.
    pub fn client(&self) -> Option<&Client> {
        self.connected().map(|found| &found.client)
    }

    /// Whether answers run on a relay.
    pub fn is_on_relay(&self) -> bool {
        self.connected().is_some_and(|found| found.is_on_relay)
    }

    /// Whether answers come from the built-in model.
    pub fn is_builtin(&self) -> bool {
        self.connected().is_some_and(|found| found.is_builtin)
    }

    /// Where it is, for people: no path, no credentials.
    pub fn shown(&self) -> &str {
        match self {
            Self::Searching(_) => "looking for a server…",
            Self::Connected(found) => &found.shown,
            Self::NotFound(why) => why,
        }
    }
}

async fn find(search: ServerSearch) -> Result<ConnectedServer, String> {
    let ServerSearch { spec, environment, wanted, .. } = search;
    let answering = Answering::find(&wanted, &spec, &environment, "window").await;
    match answering.map_err(|error| error.to_string())? {
        Answering::Relay { reached, shown } => {
            let is_builtin = shown.as_deref() == Some(servers::BUILTIN);
            let shown = match shown {
                Some(_) if is_builtin => NO_SERVER.to_owned(),
                Some(server) => format!("{server}, through {}", reached.place.shown()),
                None => format!("through {}", reached.place.shown()),
            };
            Ok(ConnectedServer {
                shown,
                is_on_relay: true,
                is_builtin,
                ..ConnectedServer::direct(reached.client)
            })
        }
        Answering::Here { server: Some(server), why } => {
            Ok(ConnectedServer { why_here: why, ..ConnectedServer::direct(server.client) })
        }
        Answering::Here { server: None, why } => {
            let starting =
                tokio::task::spawn_blocking(move || Builtin::start(environment.program.as_deref()));
            let builtin = starting.await.map_err(|error| error.to_string())??;
            let endpoint = Endpoint::http(builtin.address.ip().to_string(), builtin.address.port());
            let client = servers::client(endpoint, Config::default()).map_err(|error| error.to_string())?;
            let (shown, builtin) = (NO_SERVER.to_owned(), Some(builtin));
            Ok(ConnectedServer {
                shown,
                is_builtin: true,
                builtin,
                why_here: why,
                ..ConnectedServer::direct(client)
            })
        }
    }
}

/// The built-in model, served by the program `towline` until this is dropped.
#[derive(Debug)]
pub struct Builtin {
    address: SocketAddr,
    child: Child,
}

impl Builtin {
    fn start(program: Option<&Path>) -> Result<Self, String> {
        let program = program.map_or_else(beside, Path::to_owned);
        let mut child = Command::new(&program)
            // It exits when its input ends, so it cannot outlive a killed window.
            .args(["serve", "--listen", "127.0.0.1:0", "--until-input-ends"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "no server at {}, and the built-in model cannot be started: {}: {error}. Start Ollama \
                     (ollama serve), or install towline beside this window",
                    host::local().host_port(),
                    program.display()
                )
            })?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            // An unreadable first line counts as one without an address.
            drop(BufReader::new(output.take(1 << 10)).read_line(&mut line));
        }
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { address, child }),
            None => {
                drop(child.kill());
                drop(child.wait());
                Err(format!("{} did not start the built-in model", program.display()))
            }
        }
    }
}

impl Drop for Builtin {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program next to this one, else the one on the path.
pub fn beside() -> PathBuf {
    let here = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    here.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM))
}
