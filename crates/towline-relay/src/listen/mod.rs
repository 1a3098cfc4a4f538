//! The sockets on which clients connect.

mod late_door;
mod listener;
mod passed;
mod phone;
mod tls;

pub(crate) use late_door::LateDoor;
pub(crate) use listener::{Listener, Stream};
pub(crate) use passed::{listener as passed_listener, place};
pub(crate) use phone::{FILES as PHONE_FILES, open as open_phone_door, open_again};
pub(crate) use tls::{Tls, acceptor};
