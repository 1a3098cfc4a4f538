//! A server that does what a closure says, byte by byte, on threads of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use towline_core::endpoint::Endpoint;

/// Runs until the test process ends; each connection is served by its own thread.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// `serve` gets each connection and its number, from 0.
    pub(super) fn start(serve: impl Fn(usize, Peer<TcpStream>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(number, Peer { stream }));
            }
        });
        Self { address, connections }
    }

    /// Answers every request of every connection with the same bytes.
    pub(super) fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |_, mut peer| {
            while peer.request().is_some() {
                peer.send(&response);
            }
        })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::http(self.address.ip().to_string(), self.address.port())
    }

    /// Connections accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The server's end of a connection.
pub(super) struct Peer<S> {
    pub(super) stream: S,
}

/// A request as it came.
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

impl<S: Read + Write> Peer<S> {
    /// The next request; `None` when the client has closed.
    pub(super) fn request(&mut self) -> Option<Received> {
        let head = self.request_head()?;
        let mut received = Received { head, body: Vec::new() };
        let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
        received.body.resize(length, 0);
        self.stream.read_exact(&mut received.body).ok()?;
        Some(received)
    }

    /// The head of the next request; its body stays unread.
    pub(super) fn request_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(0) | Err(_) => return None,
                Ok(_) => head.push(byte[0]),
            }
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// The client may be gone; that is for the test to find out.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()));
        drop(self.stream.flush());
    }

    pub(super) fn send_chunk(&mut self, data: impl AsRef<[u8]>) {
        self.send(chunk(data));
    }

    /// Waits until the client closes: end-of-file or a reset.
    pub(super) fn wait_for_close(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Peer<TcpStream> {
    /// Closes with a reset rather than an orderly end.
    pub(super) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// An address that refuses connections for as long as the socket is held: bound, so nobody else gets the port, and not
/// listening.
pub(super) fn refusing_address() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

pub(super) const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(super) const LAST_CHUNK: &str = "0\r\n\r\n";

pub(super) fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// A whole response with a length.
pub(super) fn response(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}
