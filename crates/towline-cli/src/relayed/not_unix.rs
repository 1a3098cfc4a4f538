//! Where no relay can be started: systems without Unix sockets.

use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// None does.
pub async fn listens(_socket: &Path) -> bool {
    false
}

/// It cannot be.
pub async fn ensure(_folder: &Path, _socket: &Path) -> Result<(), Failure> {
    begin_session(&[]).map(drop)
}

/// There are none.
pub fn begin_session(_arguments: &[String]) -> Result<Exit, Failure> {
    Err(Failure::usage(
        "name a relay with --relay or TOWLINE_RELAY: on this system none is started by itself",
    ))
}
