//! Sockets to listen on.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Listen;
use crate::error::Error;

/// A listening socket. Dropping a Unix socket removes its file.
#[derive(Debug)]
pub(crate) enum Listener {
    Unix {
        socket: UnixListener,
        path: PathBuf,
        /// Whether another program opened it and will remove it.
        is_passed: bool,
    },
    Tcp {
        socket: TcpListener,
        address: SocketAddr,
    },
    /// On loopback, for the page.
    Page {
        socket: TcpListener,
        address: SocketAddr,
    },
    /// For phones, with TLS.
    Phone {
        socket: TcpListener,
        address: SocketAddr,
    },
}

/// A connection.
pub(crate) enum Stream {
    /// With a flag whether its client is the user that the relay runs as.
    Unix(UnixStream, bool),
    Tcp(TcpStream, SocketAddr),
    Page(TcpStream, SocketAddr),
    Phone(TcpStream, SocketAddr),
}

impl Listener {
    /// Takes the address.
    ///
    /// # Cancel safety
    /// Dropping the future frees it.
    ///
    /// # Errors
    /// If the address cannot be used. A Unix socket without a listener is replaced; another file never is.
    pub(crate) async fn bind(listen: &Listen) -> Result<Self, Error> {
        match listen {
            Listen::Tcp(address) => {
                let failed = |source| Error::Bind { address: *address, source };
                let socket = TcpListener::bind(address).await.map_err(failed)?;
                let address = socket.local_addr().map_err(failed)?;
                Ok(Self::Tcp { socket, address })
            }
            Listen::Unix(path) => bind_unix(path).await,
            Listen::Own => {
                let message = "the user's own socket is found by the program that starts the relay";
                Err(Error::Config(message.into()))
            }
        }
    }

    /// Binds a free port on loopback.
    ///
    /// # Cancel safety
    /// Dropping the future frees it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn bind_page() -> std::io::Result<Self> {
        let socket = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        Ok(Self::Page { socket, address })
    }

    /// Binds an address for phones.
    ///
    /// # Cancel safety
    /// Dropping the future frees it.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(crate) async fn bind_phone(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self::Phone { socket, address })
    }

    /// The address for display, with the actual port if 0 was configured.
    pub(crate) fn shown(&self) -> Listen {
        match self {
            Self::Unix { path, .. } => Listen::Unix(path.clone()),
            Self::Tcp { address, .. } | Self::Page { address, .. } | Self::Phone { address, .. } => {
                Listen::Tcp(*address)
            }
        }
    }

    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub(crate) async fn accept(&self) -> std::io::Result<Stream> {
        match self {
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                let own = rustix::process::geteuid().as_raw();
                let is_own = stream.peer_cred().is_ok_and(|peer| peer.uid() == own);
                Ok(Stream::Unix(stream, is_own))
            }
            Self::Tcp { socket, address } => Ok(Stream::Tcp(accepted(socket).await?, *address)),
            Self::Page { socket, address } => Ok(Stream::Page(accepted(socket).await?, *address)),
            Self::Phone { socket, address } => Ok(Stream::Phone(accepted(socket).await?, *address)),
        }
    }
}

async fn accepted(socket: &TcpListener) -> std::io::Result<TcpStream> {
    let (stream, _) = socket.accept().await?;
    // Records are small and urgent; if this fails, they arrive a little later.
    drop(stream.set_nodelay(true));
    drop(keep_alive(&stream));
    Ok(stream)
}

/// Detects a client whose machine is gone after a minute and a half of silence.
fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, std::time::Duration::from_secs(45))?;
    sockopt::set_tcp_keepintvl(stream, std::time::Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, is_passed: false, .. } = self {
            // The file may already be gone.
            drop(std::fs::remove_file(path));
        }
    }
}

async fn bind_unix(path: &Path) -> Result<Listener, Error> {
    let failed = |source| Error::Socket { path: path.to_owned(), source };
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            let why = "a file that is not a socket is there";
            return Err(failed(std::io::Error::new(std::io::ErrorKind::AlreadyExists, why)));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(Error::Running(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    // Created next to its final path, and moved there once only its owner can open it.
    let own = path.with_extension(format!("{}.new", std::process::id()));
    drop(std::fs::remove_file(&own));
    let socket = UnixListener::bind(&own).map_err(failed)?;
    let placed = std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&own, path));
    if let Err(error) = placed {
        drop(std::fs::remove_file(&own));
        return Err(failed(error));
    }
    Ok(Listener::Unix { socket, path: path.to_owned(), is_passed: false })
}
