//! TCP and Unix sockets behind one interface.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use std::os::unix::net::{UnixListener, UnixStream};

use socket2::SockRef;

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) fn tcp(addr: SocketAddr) -> io::Result<Listener> {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        Ok(Listener::Tcp(listener, addr))
    }

    pub(crate) fn unix(path: PathBuf) -> io::Result<Listener> {
        Ok(Listener::Unix(UnixListener::bind(&path)?, path))
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Tcp(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Socket::Unix(listener.accept()?.0)),
        }
    }
}

/// One accepted connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.read(buffer),
            Socket::Unix(stream) => { stream }.read(buffer),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.write(bytes),
            Socket::Unix(stream) => { stream }.write(bytes),
        }
    }

    /// Fails only if the connection is already gone, which has the same effect.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        let _already_gone = match self {
            Socket::Tcp(stream) => stream.shutdown(how),
            Socket::Unix(stream) => stream.shutdown(how),
        };
    }

    /// Makes the final close send RST. A Unix socket has no RST: there it is a plain close.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Socket::Tcp(stream) => {
                let _already_gone = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Socket::Unix(_) => {}
        }
    }
}
