//! Sockets that another program, such as systemd, has opened for the relay.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use tokio::net::{TcpListener, UnixListener};

use super::listener::Listener;
use crate::config::{Config, Listen};
use crate::error::Error;

/// Uses the addresses of the sockets if the configuration names none.
///
/// # Errors
/// A socket that does not listen, that strangers can open, or that `listen` does not name.
pub(crate) fn place(config: &mut Config) -> Result<(), Error> {
    let places = config.sockets.iter().map(|socket| listens_at(socket)).collect::<Result<Vec<_>, _>>()?;
    if config.listen.is_empty() {
        config.listen = places;
        return Ok(());
    }
    match places.iter().find(|place| !config.listen.contains(place)) {
        None => Ok(()),
        Some(place) => Err(Error::Config(format!(
            "a socket that listens at {place} was passed to the relay, which is configured to listen elsewhere: name {place} \
             too, or no address, so that the relay listens on every passed socket"
        ))),
    }
}

/// The listener of an address, if its socket was passed.
///
/// # Errors
/// If the operating system does not accept it.
pub(crate) fn listener(sockets: &[Arc<OwnedFd>], listen: &Listen) -> Result<Option<Listener>, Error> {
    let is_there = |socket: &&Arc<OwnedFd>| listens_at(socket).is_ok_and(|place| place == *listen);
    let Some(socket) = sockets.iter().find(is_there) else { return Ok(None) };
    let failed = |error: std::io::Error| refused(&format!("at {listen} cannot be used: {error}"));
    let own = socket.try_clone().map_err(failed)?;
    Ok(Some(match listen {
        Listen::Tcp(address) => {
            let socket = std::net::TcpListener::from(own);
            socket.set_nonblocking(true).map_err(failed)?;
            let socket = TcpListener::from_std(socket).map_err(failed)?;
            Listener::Tcp { socket, address: *address }
        }
        Listen::Unix(path) => {
            let socket = std::os::unix::net::UnixListener::from(own);
            socket.set_nonblocking(true).map_err(failed)?;
            let socket = UnixListener::from_std(socket).map_err(failed)?;
            Listener::Unix { socket, path: path.clone(), is_passed: true }
        }
        Listen::Own => return Ok(None),
    }))
}

fn listens_at(socket: &OwnedFd) -> Result<Listen, Error> {
    let wrong = |_| refused("is not a listening stream socket");
    let listens = sockopt::socket_acceptconn(socket).map_err(wrong)?;
    if !listens || sockopt::socket_type(socket).map_err(wrong)? != SocketType::STREAM {
        return Err(refused("is not a listening stream socket"));
    }
    let address = getsockname(socket).map_err(wrong)?;
    if address.address_family() == AddressFamily::UNIX {
        let address = rustix::net::SocketAddrUnix::try_from(address).map_err(wrong)?;
        let path = address.path_bytes().ok_or_else(|| refused("is a Unix socket without a path"))?;
        let path = Path::new(std::ffi::OsStr::from_bytes(path)).to_owned();
        let mode = std::fs::metadata(&path).map(|about| about.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o022 != 0) {
            return Err(refused(&format!(
                "at unix:{} can be opened by other users, who would act as the relay's own user: set SocketMode=0600",
                path.display()
            )));
        }
        return Ok(Listen::Unix(path));
    }
    std::net::SocketAddr::try_from(address).map(Listen::Tcp).map_err(wrong)
}

fn refused(what: &str) -> Error {
    Error::Config(format!("a socket that was passed to the relay {what}"))
}
