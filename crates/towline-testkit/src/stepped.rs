//! Streams that continue only when the test says so.
//!
//! Each chat is identified by its `model`. Nothing is sent automatically, so the test knows exactly which
//! bytes have arrived, however loaded the machine is:
//!
//! ```no_run
//! let server = towline_testkit::stepped::SteppedServer::start();
//! // … ask the model "a" of `server.url()`, then:
//! let mut stream = server.stream("a");
//! stream.text(&["one ", "two "]);
//! stream.end();
//! ```

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::http::{self, Request};
use crate::records::ollama;
use crate::script::Body;

/// How long to wait for a requested stream.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A server of chats in Ollama's dialect, with an empty list of models. Its threads end with the process.
#[derive(Debug)]
pub struct SteppedServer {
    addr: SocketAddr,
    asked: Arc<Asked>,
}

/// A requested chat.
#[derive(Debug)]
pub struct SteppedStream {
    socket: TcpStream,
    sent: u64,
}

#[derive(Debug, Default)]
struct Asked {
    waiting: Mutex<HashMap<String, TcpStream>>,
    came: Condvar,
}

impl SteppedServer {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start() -> SteppedServer {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("no port: {error}"));
        let addr = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let asked = Arc::new(Asked::default());
        let serving = Arc::clone(&asked);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let asked = Arc::clone(&serving);
                thread::spawn(move || answer(socket, &asked));
            }
        });
        SteppedServer { addr, asked }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The chat with this model, once it was requested.
    ///
    /// # Panics
    /// If it is not requested within a minute.
    pub fn stream(&self, model: &str) -> SteppedStream {
        let waiting = self.asked.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |waiting: &mut HashMap<String, TcpStream>| !waiting.contains_key(model);
        let waited = self.asked.came.wait_timeout_while(waiting, LONGEST_WAIT, is_missing);
        let socket = waited.unwrap_or_else(PoisonError::into_inner).0.remove(model);
        let mut stream = SteppedStream {
            socket: socket.unwrap_or_else(|| panic!("nobody asked for the model {model}")),
            sent: 0,
        };
        stream.write(&http::response_head(200, &[("Content-Type", http::NDJSON)], Body::Chunked));
        stream
    }
}

impl SteppedStream {
    /// Sends pieces of the answer, one record each, in one write.
    pub fn text(&mut self, pieces: &[&str]) {
        let records = pieces.iter().map(|piece| http::chunk(http::line(ollama::chat_text(piece))));
        self.write(&records.collect::<Vec<_>>().concat());
        self.sent += pieces.len() as u64;
    }

    /// Sends the terminal record and the end of the body.
    pub fn end(mut self) {
        let done = http::chunk(http::line(ollama::chat_done("stop", self.sent)));
        self.write(&[&done, http::LAST_CHUNK].concat());
    }

    /// A disconnected peer is ignored here, because the test checks the peer itself.
    fn write(&mut self, bytes: &[u8]) {
        drop(self.socket.write_all(bytes));
    }
}

/// Answers requests until one is for a chat, and passes its socket to the test.
fn answer(mut socket: TcpStream, asked: &Asked) {
    drop(socket.set_nodelay(true));
    let mut received = Vec::new();
    while let Some(request) = request(&mut socket, &mut received) {
        if request.path() == "/api/chat" {
            let mut waiting = asked.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.insert(request.model().unwrap_or_default(), socket);
            asked.came.notify_all();
            return;
        }
        let body = match request.path() {
            "/api/version" => json!({ "version": "0.33.0" }),
            _ => json!({ "models": [] }),
        };
        let body = body.to_string();
        let head = http::response_head(200, &[("Content-Type", http::JSON)], Body::Length(body.len() as u64));
        if socket.write_all(&[head, body.into_bytes()].concat()).is_err() {
            return;
        }
    }
}

/// The next request; bytes after it stay in `received`.
fn request(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<Request> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let mut request = Request::from_head(received[..end + 4].to_vec())?;
            let body_end = end + 4 + request.content_length();
            if let Some(body) = received.get(end + 4..body_end) {
                request.body = body.to_vec();
                received.drain(..body_end);
                return Some(request);
            }
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(length) => received.extend_from_slice(&buffer[..length]),
        }
    }
}
