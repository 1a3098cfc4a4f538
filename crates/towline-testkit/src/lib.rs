//! Test support for everything that reads a stream from a socket.
//!
//! It knows bytes and sockets, and nothing of Towline: a crate of ours may use it under
//! `[dev-dependencies]`, and it depends on none of them. It runs on plain threads, never on an async
//! runtime, so it cannot share a scheduler, a timer or a bug with the code under test.
//!
//! - [`Server`] plays a [`Script`] on each connection and remembers what it saw.
//! - [`chunk`] cuts bytes into every interesting sequence of pieces.
//! - [`corpus`] reads the streams under `/corpus` with what a correct reader makes of them.
//! - [`captured`] reads the exchanges with real servers under `/corpus/captured`.
//! - [`records`] writes the usual Ollama and OpenAI records.
//! - [`fakemodel`] is a whole fake server, where the model's name chooses what happens; [`paced`] is one for
//!   benches with thousands of streams; [`stepped`] has streams that continue only when the test says so.
//! - [`plain`] makes random streams and reads them the plain way.
//! - [`ports`] has addresses that refuse, or that never answer.
//!
//! A stalled stream takes three lines:
//!
//! ```
//! use towline_testkit::{records::ollama, Script, Server};
//!
//! let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
//! // … point the client at `server.url()`, cancel, then:
//! # use std::{io::Write, net::TcpStream, time::Duration};
//! # let mut client = TcpStream::connect(server.addr()).unwrap();
//! # client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
//! # drop(client);
//! let close = server.wait_for_close(0, Duration::from_secs(5)).expect("the client hung up");
//! # let _: std::time::Instant = close.at;
//! ```

pub mod captured;
pub mod chunk;
mod connection;
pub mod corpus;
pub mod fakemodel;
pub mod http;
mod ledger;
pub mod paced;
pub mod plain;
pub mod ports;
mod proxy;
pub mod records;
mod script;
mod server;
mod socket;
pub mod stepped;

pub use ledger::{Close, CloseKind};
pub use script::{Body, Framing, Pace, Script, Step};
pub use server::{Plan, Routes, Server};
