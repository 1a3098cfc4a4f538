//! Addresses that behave badly before any byte is exchanged.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};

/// A loopback port that refuses connections, and that no other program can use while this exists.
#[derive(Debug)]
pub struct Refusing {
    _bound: Socket,
    addr: SocketAddr,
}

impl Refusing {
    pub fn new() -> io::Result<Refusing> {
        let (bound, addr) = bound_socket()?;
        Ok(Refusing { _bound: bound, addr })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// A loopback port on which connecting neither succeeds nor fails: its queue is full and nothing accepts.
///
/// The behaviour of a full queue depends on the kernel; this is Linux's.
#[derive(Debug)]
pub struct BlackHole {
    _listening: Socket,
    _queued: Vec<TcpStream>,
    addr: SocketAddr,
}

impl BlackHole {
    pub fn new() -> io::Result<BlackHole> {
        let (listening, addr) = bound_socket()?;
        listening.listen(0)?;
        // A backlog of 0 still queues one connection.
        let queued = vec![TcpStream::connect(addr)?];
        Ok(BlackHole { _listening: listening, _queued: queued, addr })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bound_socket() -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let addr = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an IP address"))?;
    Ok((socket, addr))
}
