//! Connections, and an orderly end.

mod connection;
mod crowd;
mod run;
mod watched;

pub(crate) use connection::talk_over;
pub use run::{Reloader, Report, Server};
