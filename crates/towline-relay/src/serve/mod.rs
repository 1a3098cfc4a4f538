//! Listening, connections, and an orderly end.

mod connection;
mod crowd;
mod late_door;
mod listen;
mod passed;
mod phone;
mod run;
mod tls;
mod watched;

pub(crate) use connection::talk_over;
pub(crate) use late_door::LateDoor;
pub(crate) use phone::{FILES as PHONE_FILES, open as open_phone_door};
pub use run::{Reloader, Report, Server};
