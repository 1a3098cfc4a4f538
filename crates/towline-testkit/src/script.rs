//! The server's actions on one connection, as data.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::http;

/// One thing the server does. Steps run in order, on the thread of their connection.
///
/// Every waiting step also ends when the peer closes or the [`Server`](crate::Server) is dropped; the
/// rest of the script is then skipped.
#[derive(Debug, Clone)]
pub enum Step {
    /// Read one whole request: its head, and its body by content-length or chunked coding.
    ReadRequest,
    /// Read a request's head and leave its body unread. The script should close afterwards.
    ReadHead,
    /// Write these bytes in one write.
    Send(Arc<[u8]>),
    /// Write these bytes as one chunk of HTTP's chunked coding, in one write.
    Chunk(Arc<[u8]>),
    /// Write the last chunk: a clean end of a chunked body.
    EndChunks,
    /// Wait until the test lets this script through the named gate.
    Wait(String),
    /// Wait until the peer closes.
    Stall,
    /// Write pieces one by one, each in its own write.
    Pieces { pieces: Arc<[Vec<u8>]>, framing: Framing, pace: Pace },
    /// Write `piece` repeatedly until the socket has accepted at least `total_bytes`.
    Flood { piece: Arc<[u8]>, total_bytes: u64 },
    /// Write `piece` repeatedly until the peer closes.
    Forever(Arc<[u8]>),
    /// Close the sending side (FIN), keep reading.
    HalfClose,
    /// Close the connection with FIN. Ends the script.
    Close,
    /// Close the connection with RST, whatever is unread or unsent. Ends the script.
    Reset,
    /// Answer `200` to the CONNECT just read and copy bytes to and from this address. Ends the script.
    Tunnel(SocketAddr),
    /// Forward the request just read to this address in origin form, and copy the answer back. Ends the
    /// script.
    Forward(SocketAddr),
}

/// How pieces are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As they are.
    Raw,
    /// Each piece is one chunk of HTTP's chunked coding.
    Chunked,
}

/// When the next piece may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    FlatOut,
    /// When the test lets it through the named gate; one pass per piece.
    Gate(String),
    /// Piece `n` at `n` intervals after the first. The schedule is absolute, so delays do not accumulate.
    Every(Duration),
}

impl Pace {
    /// A steady number of pieces a second.
    pub fn per_second(pieces: f64) -> Pace {
        Pace::Every(Duration::from_secs_f64(1.0 / pieces))
    }
}

/// How a response head announces the end of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Content-Length`; nothing checks that it is true.
    Length(u64),
    /// `Connection: close`: the body lasts until the connection ends.
    UntilClose,
}

/// The steps of one connection, or of one request if a plan chooses by request.
///
/// A script that runs to its end starts over if it began by reading a request, so a kept-alive connection
/// gets the same answer again; any other script closes the connection.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) deaf: bool,
}

impl Script {
    /// No steps: accept, then close.
    pub fn new() -> Script {
        Script::default()
    }

    /// Read one request; the usual beginning.
    pub fn request() -> Script {
        Script::new().step(Step::ReadRequest)
    }

    /// A server that never reads from the connection. It notices a closed peer only when it writes.
    pub fn deaf() -> Script {
        Script { steps: Vec::new(), deaf: true }
    }

    /// A whole Ollama answer: each line in its own chunk, then a clean end.
    pub fn ndjson<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Script {
        Script::ndjson_open(lines).end_chunks()
    }

    /// Like [`Script::ndjson`], with the body still open for further steps.
    pub fn ndjson_open<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Script {
        Script::request().head(200, http::NDJSON, Body::Chunked).lines(lines)
    }

    /// A whole OpenAI answer: each payload as one `data:` event in its own chunk, then a clean end.
    /// `[DONE]` is a payload like any other.
    pub fn sse<E: AsRef<[u8]>>(payloads: impl IntoIterator<Item = E>) -> Script {
        Script::sse_open(payloads).end_chunks()
    }

    /// Like [`Script::sse`], with the body still open.
    pub fn sse_open<E: AsRef<[u8]>>(payloads: impl IntoIterator<Item = E>) -> Script {
        Script::request().head(200, http::SSE, Body::Chunked).events(payloads)
    }

    /// One complete response with a true content length; the connection is kept alive.
    pub fn respond(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Script {
        let length = Body::Length(body.as_ref().len() as u64);
        Script::request().head(status, content_type, length).send(body)
    }

    /// `{"error": message}` with a status, as Ollama answers before a stream began.
    pub fn error(status: u16, message: &str) -> Script {
        Script::respond(status, http::JSON, serde_json::json!({ "error": message }).to_string())
    }

    /// A response that announces `said_bytes`, sends `body`, and closes.
    pub fn lying_length(content_type: &str, said_bytes: u64, body: impl AsRef<[u8]>) -> Script {
        Script::request().head(200, content_type, Body::Length(said_bytes)).send(body).close()
    }

    /// A status line, then header lines until the peer closes.
    pub fn endless_header() -> Script {
        let mut piece = Vec::new();
        for _ in 0..64 {
            piece.extend_from_slice(b"X-Endless: 0123456789abcdef0123456789abcdef\r\n");
        }
        Script::request().send("HTTP/1.1 200 OK\r\n").forever(piece)
    }

    /// An error status whose body never ends.
    pub fn endless_error_body(status: u16) -> Script {
        Script::request().head(status, "text/plain", Body::UntilClose).forever([b'e'; 4096])
    }

    /// A 200 whose first line never ends, in chunks of 4 KiB.
    pub fn endless_line() -> Script {
        Script::request()
            .head(200, http::NDJSON, Body::Chunked)
            .chunk(r#"{"model":"m","message":{"role":"assistant","content":""#)
            .forever(http::chunk([b'x'; 4096]))
    }

    /// Appends any step.
    pub fn step(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }

    /// Appends all steps of another script.
    pub fn then(mut self, other: Script) -> Script {
        self.steps.extend(other.steps);
        self
    }

    /// The steps after the request was read.
    pub(crate) fn without_request(mut self) -> Script {
        if self.begins_with_request() {
            self.steps.remove(0);
        }
        self
    }

    pub fn read_request(self) -> Script {
        self.step(Step::ReadRequest)
    }

    pub fn read_head(self) -> Script {
        self.step(Step::ReadHead)
    }

    /// A response head; see [`http::response_head`] for one with more headers, to be given to `send`.
    pub fn head(self, status: u16, content_type: &str, body: Body) -> Script {
        self.send(http::response_head(status, &[("Content-Type", content_type)], body))
    }

    pub fn send(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::Send(bytes.as_ref().into()))
    }

    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::Chunk(bytes.as_ref().into()))
    }

    /// One line, newline added, as one chunk.
    pub fn line(self, line: impl AsRef<[u8]>) -> Script {
        self.chunk(http::line(line))
    }

    /// Lines, each as one chunk.
    pub fn lines<L: AsRef<[u8]>>(self, lines: impl IntoIterator<Item = L>) -> Script {
        lines.into_iter().fold(self, Script::line)
    }

    /// One payload as a `data:` event, as one chunk.
    pub fn event(self, payload: impl AsRef<[u8]>) -> Script {
        self.chunk(http::event(payload))
    }

    /// Payloads as `data:` events, each as one chunk.
    pub fn events<E: AsRef<[u8]>>(self, payloads: impl IntoIterator<Item = E>) -> Script {
        payloads.into_iter().fold(self, Script::event)
    }

    pub fn end_chunks(self) -> Script {
        self.step(Step::EndChunks)
    }

    pub fn wait(self, gate: &str) -> Script {
        self.step(Step::Wait(gate.to_owned()))
    }

    pub fn stall(self) -> Script {
        self.step(Step::Stall)
    }

    /// Bytes one at a time.
    pub fn trickle(self, bytes: impl AsRef<[u8]>, framing: Framing, pace: Pace) -> Script {
        self.pieces(bytes.as_ref().iter().map(|byte| [*byte]), framing, pace)
    }

    pub fn pieces<P: AsRef<[u8]>>(
        self,
        pieces: impl IntoIterator<Item = P>,
        framing: Framing,
        pace: Pace,
    ) -> Script {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec()).collect();
        self.step(Step::Pieces { pieces, framing, pace })
    }

    /// Lines at a pace, each as one chunk.
    pub fn paced_lines<L: AsRef<[u8]>>(self, lines: impl IntoIterator<Item = L>, pace: Pace) -> Script {
        self.pieces(lines.into_iter().map(http::line), Framing::Chunked, pace)
    }

    pub fn flood(self, piece: impl AsRef<[u8]>, total_bytes: u64) -> Script {
        self.step(Step::Flood { piece: piece.as_ref().into(), total_bytes })
    }

    pub fn forever(self, piece: impl AsRef<[u8]>) -> Script {
        self.step(Step::Forever(piece.as_ref().into()))
    }

    pub fn half_close(self) -> Script {
        self.step(Step::HalfClose)
    }

    pub fn close(self) -> Script {
        self.step(Step::Close)
    }

    pub fn reset(self) -> Script {
        self.step(Step::Reset)
    }

    pub fn tunnel(self, to: SocketAddr) -> Script {
        self.step(Step::Tunnel(to))
    }

    pub fn forward(self, to: SocketAddr) -> Script {
        self.step(Step::Forward(to))
    }

    /// Whether the script begins with a request, so that it can serve a connection repeatedly.
    pub(crate) fn begins_with_request(&self) -> bool {
        matches!(self.steps.first(), Some(Step::ReadRequest | Step::ReadHead))
    }
}
