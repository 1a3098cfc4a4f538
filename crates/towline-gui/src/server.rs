//! Which server is meant: the one that was named, else Ollama on this machine, else the built-in model in a process of
//! its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use towline::{ApiKey, Client, Config, Endpoint, Engine, NetworkVariables, host};

use crate::relay::Place;

/// How long the server on this machine may take to accept a connection before it counts as not there.
const LOCAL_CONNECT: Duration = Duration::from_millis(300);
/// The name of the program that has the built-in model.
const PROGRAM: &str = "towline";
/// The built-in model's name.
pub const BUILTIN_MODEL: &str = "brook";

/// A model server that somebody named. `Debug` does not show the name, which may hold a password.
#[derive(Clone)]
pub struct Named {
    /// Its name, as `OLLAMA_HOST` has it.
    pub host: String,
    /// The key that is sent along.
    pub api_key: Option<ApiKey>,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Named").finish_non_exhaustive()
    }
}

/// What a server is looked for with.
#[derive(Debug, Clone, Default)]
pub struct Seek {
    /// The server that was named.
    pub named: Option<Named>,
    /// Proxies and certificates on the way to it.
    pub network: NetworkVariables,
    /// Where the program `towline` is, for the built-in model. Default: beside this program, else on the path.
    pub program: Option<PathBuf>,
    /// The relay that answers can go through.
    pub relay: Option<Place>,
}

/// How a server came to be meant.
#[derive(Debug)]
pub enum How {
    /// Somebody named it.
    Named,
    /// It answers at Ollama's usual address.
    Local,
    /// None answers there: the built-in model. Dropping this ends its process.
    Builtin(Builtin),
    /// Answers go through the relay, which has servers of its own.
    Relay,
}

/// A server that was found.
#[derive(Debug)]
pub struct Found {
    /// A client of it.
    pub client: Client,
    /// How it came to be meant.
    pub how: How,
}

/// Where the looking stands.
#[derive(Debug)]
pub enum Server {
    /// It continues.
    Looking(Receiver<Result<Found, String>>),
    /// There is one.
    Here(Found),
    /// There is none; why, and what to do.
    Nowhere(String),
}

impl Server {
    /// Looks for a server on a thread of its own, and calls `wake` when it knows.
    pub fn seek(seek: Seek, wake: impl FnOnce() + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(1);
        let looking = std::thread::Builder::new().name("towline-seek".into()).spawn(move || {
            // The window may have stopped waiting.
            drop(sender.send(find(seek)));
            wake();
        });
        match looking {
            Ok(_) => Self::Looking(receiver),
            Err(error) => Self::Nowhere(format!("a thread cannot be started: {error}")),
        }
    }

    /// Has answers go through the relay, which is started if that is this program's to do; `wake` is called when it is
    /// known. `named` is the model server it then relays to.
    pub fn through(
        relay: &Place,
        named: Option<&Named>,
        engine: &Engine,
        wake: impl FnOnce() + Send + 'static,
    ) -> Self {
        let client = match relay.client() {
            Ok(client) => client,
            Err(why) => return Self::Nowhere(why),
        };
        let found = Found { client, how: How::Relay };
        let Some(ensuring) = relay.ensure(named) else { return Self::Here(found) };
        let (sender, receiver) = sync_channel(1);
        // The engine owns it, also when nobody waits for it any longer.
        drop(engine.spawn("reach the relay", async move {
            let result = ensuring.await.map(|()| found).map_err(|error| error.to_string());
            // There is room for the one result; the window may have stopped waiting.
            drop(sender.try_send(result));
            wake();
        }));
        Self::Looking(receiver)
    }

    /// Takes the result once it is there: `true` when there is one now.
    pub fn look(&mut self) -> bool {
        let Self::Looking(receiver) = self else { return false };
        let Ok(result) = receiver.try_recv() else { return false };
        *self = match result {
            Ok(found) => Self::Here(found),
            Err(why) => Self::Nowhere(why),
        };
        true
    }

    /// The client, once there is a server.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::Here(found) => Some(&found.client),
            Self::Looking(_) | Self::Nowhere(_) => None,
        }
    }

    /// Whether answers come from the built-in model.
    pub fn is_builtin(&self) -> bool {
        matches!(self, Self::Here(Found { how: How::Builtin(_), .. }))
    }

    /// Where it is, for people: no path, no credentials.
    pub fn shown(&self) -> String {
        match self {
            Self::Looking(_) => "looking for a server…".to_owned(),
            Self::Here(Found { how: How::Builtin(_), .. }) => {
                "no server found: using the built-in model".to_owned()
            }
            Self::Here(Found { how: How::Relay, .. }) => "through the relay".to_owned(),
            Self::Here(Found { client, how: How::Named | How::Local }) => client.endpoint().to_string(),
            Self::Nowhere(why) => why.clone(),
        }
    }
}

fn find(seek: Seek) -> Result<Found, String> {
    if let Some(Named { host: text, api_key }) = seek.named {
        let endpoint = host::parse(&text).map_err(|error| format!("this names no server: {error}"))?;
        let config = Config { api_key, transport: seek.network.transport(&endpoint), ..Config::default() };
        return Ok(Found { client: client(endpoint, config)?, how: How::Named });
    }
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, host::DEFAULT_PORT));
    if TcpStream::connect_timeout(&local, LOCAL_CONNECT).is_ok() {
        return Ok(Found { client: client(host::local(), Config::default())?, how: How::Local });
    }
    let builtin = Builtin::start(seek.program.as_deref())?;
    let endpoint = Endpoint::http(builtin.address.ip().to_string(), builtin.address.port());
    Ok(Found { client: client(endpoint, Config::default())?, how: How::Builtin(builtin) })
}

fn client(endpoint: Endpoint, config: Config) -> Result<Client, String> {
    Client::with_config(endpoint, config).map_err(|error| error.message)
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
            // It ends when its input does, so it cannot outlive a window that was killed.
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
            // A first line that cannot be read is one without an address.
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
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program beside this one, else the one on the path.
pub fn beside() -> PathBuf {
    let here = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    here.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM))
}
