//! Listening, connections, and an orderly end.

mod connection;
mod listen;
mod run;
mod tls;

pub use run::{Report, Server};
