//! A raw client, so that the server is not checked with its own code.
#![expect(clippy::unwrap_used, reason = "a helper of tests; a failure is the test's failure")]

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use towline_testkit::Server;

/// Long enough to mean "never" on a busy machine; no passing test waits for it.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Client(pub(crate) TcpStream);

/// How reading a connection to its end ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset,
}

impl Client {
    pub(crate) fn connect(server: &Server) -> Client {
        Client::to(server.addr())
    }

    pub(crate) fn to(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Client(stream)
    }

    pub(crate) fn send(&mut self, bytes: &str) -> &mut Client {
        self.0.write_all(bytes.as_bytes()).unwrap();
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> &mut Client {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> &mut Client {
        let length = body.len();
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    /// Reads exactly the bytes expected.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &str) -> &mut Client {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), bytes);
        self
    }

    /// Reads one response head.
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads a chunked body, to its clean end or to the end of the connection.
    pub(crate) fn chunks(&mut self) -> (String, Option<End>) {
        let mut body = Vec::new();
        let mut reader = BufReader::new(&self.0);
        let mut read = || {
            let mut size = String::new();
            if reader.read_line(&mut size)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let length = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..length]);
            Ok::<bool, std::io::Error>(length > 0)
        };
        let end = loop {
            match read().map_err(|error| error.kind()) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(ErrorKind::UnexpectedEof) => break Some(End::Fin),
                Err(ErrorKind::ConnectionReset) => break Some(End::Reset),
                Err(kind) => panic!("{kind}"),
            }
        };
        (String::from_utf8(body).unwrap(), end)
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> (String, End) {
        let mut bytes = Vec::new();
        let end = match self.0.read_to_end(&mut bytes) {
            Ok(_) => End::Fin,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("{error}"),
        };
        (String::from_utf8(bytes).unwrap(), end)
    }

    /// Whether nothing can be read right now.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let silent = self.0.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).unwrap();
        silent
    }
}
