//! Where the relay is.

use std::path::PathBuf;

use towline::relay::{RelayConfig, Via};
use towline::{ApiKey, Client, Clocks, Config, Endpoint, Scheme, host};

use crate::args::RelayArgs;
use crate::environment::Environment;
use crate::failure::{Complaint, Failure};

/// The socket's name in the runtime folder.
const SOCKET: &str = "relay.sock";

/// Where the relay is, and how it came to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Nobody named another, so it may be started when it is not there: the folder of its socket.
    pub own_folder: Option<PathBuf>,
}

impl Place {
    /// `--relay`, else `TOWLINE_RELAY`, else the own socket of this user.
    pub fn find(args: &RelayArgs, environment: &Environment) -> Result<Self, Failure> {
        let named = args.relay.as_deref().map(|text| ("--relay", text));
        let named = named.or_else(|| Some(("TOWLINE_RELAY", environment.relay.as_deref()?)));
        if let Some((name, text)) = named {
            let host = host::parse(text).map_err(|error| {
                Failure::usage_with(
                    format!("{name} does not name a relay: {error}"),
                    "for example unix:/run/towline/relay.sock or https://relay.example:4437",
                )
            })?;
            return Ok(Self { endpoint: host.endpoint, own_folder: None });
        }
        let folder = runtime_folder()?;
        Ok(Self { endpoint: Endpoint::unix(folder.join(SOCKET)), own_folder: Some(folder) })
    }

    /// The path of the socket, where it is one.
    pub fn socket(&self) -> Option<&PathBuf> {
        match &self.endpoint.scheme {
            Scheme::Unix(path) => Some(path),
            Scheme::Http | Scheme::Https => None,
        }
    }
}

/// A client of the relay.
pub fn client(
    place: &Place,
    environment: &Environment,
    clocks: Clocks,
    relay: RelayConfig,
) -> Result<Client, Failure> {
    let api_key = environment.relay_token.as_deref().filter(|_| place.own_folder.is_none()).map(ApiKey::new);
    let config = Config { via: Via::Relay(relay), clocks, api_key, ..Config::default() };
    Client::with_config(place.endpoint.clone(), config)
        .map_err(|error| Failure::Usage(Complaint::new(error.message)))
}

/// `$XDG_RUNTIME_DIR/towline`, else `towline-<uid>` in the folder for temporary files: ours, and closed to others.
#[cfg(unix)]
fn runtime_folder() -> Result<PathBuf, Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let folder = match runtime {
        Some(runtime) => PathBuf::from(runtime).join("towline"),
        None => std::env::temp_dir().join(format!("towline-{user}")),
    };
    let failure = |what: String| {
        let complaint = Complaint::new(format!("the relay's folder {} {what}", folder.display()));
        Failure::Local(
            complaint.hint("set XDG_RUNTIME_DIR to a folder of yours, or name a relay with --relay"),
        )
    };
    if let Err(error) = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder) {
        return Err(failure(format!("cannot be made: {error}")));
    }
    let found =
        std::fs::symlink_metadata(&folder).map_err(|error| failure(format!("cannot be read: {error}")))?;
    if !found.is_dir() || found.uid() != user {
        return Err(failure("belongs to somebody else".to_owned()));
    }
    if found.mode() & 0o077 != 0 {
        return Err(failure("can be opened by others; chmod 700 closes it".to_owned()));
    }
    Ok(folder)
}

/// There are no Unix sockets to find it at.
#[cfg(not(unix))]
fn runtime_folder() -> Result<PathBuf, Failure> {
    Err(Failure::usage(
        "name a relay with --relay or TOWLINE_RELAY: on this system none is started by itself",
    ))
}
