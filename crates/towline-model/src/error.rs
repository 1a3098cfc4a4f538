//! Why a server could not be started.

use std::io;
use std::net::SocketAddr;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening address could not be taken.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The rate is no number above zero.
    #[error("the rate must be above zero tokens per second, not {0}")]
    Rate(f32),
}
