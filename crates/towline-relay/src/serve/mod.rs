//! Listening, connections, and an orderly end.

mod connection;
mod crowd;
mod listen;
mod page_door;
mod run;
mod tls;
mod watched;

pub(crate) use connection::talk_over;
pub(crate) use page_door::PageDoor;
pub use run::{Reloader, Report, Server};
