//! Listening, connections, and an orderly end.

mod connection;
mod listen;
mod run;
mod tls;

pub(crate) use connection::talk_over;
pub use run::{Report, Server};
