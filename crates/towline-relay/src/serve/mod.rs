//! Listening, connections, and an orderly end.

mod connection;
mod crowd;
mod listen;
mod run;
mod tls;
mod watched;

pub(crate) use connection::talk_over;
pub use run::{Reloader, Report, Server};
