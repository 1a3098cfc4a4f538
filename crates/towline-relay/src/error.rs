//! Why a relay cannot start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a relay cannot start. A message covers only this level; `source()` has the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is contradictory; the text says what to do.
    #[error("{0}")]
    Config(String),
    /// The store cannot be used.
    #[error("the store in {folder} cannot be used")]
    Store {
        /// Where it is.
        folder: PathBuf,
        /// Why.
        source: crate::store::StoreError,
    },
    /// The store that several relays share cannot be used.
    #[error("the shared store cannot be used")]
    Shared {
        /// Why.
        source: crate::store::RedisError,
    },
    /// The configuration of a model server is invalid.
    #[error("a model server cannot be used")]
    Upstream(#[source] towline::Error),
    /// The relay cannot listen on an address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A Unix socket cannot be created.
    #[error("the socket {path} cannot be created")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another relay listens there.
    #[error("a relay already listens at {0}")]
    Running(PathBuf),
    /// A file that the configuration names cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate or its key cannot be used.
    #[error("the TLS file {path} cannot be used: {why}")]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The operating system cannot start a thread.
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::Error;
    use crate::store::{RedisError, StoreError};

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::other("no such luck");
        let (path, address) = (std::path::PathBuf::from("x"), ([127, 0, 0, 1], 1).into());
        for error in [
            Error::Store { folder: path.clone(), source: StoreError::Folder(cause()) },
            Error::Shared { source: RedisError::Away("x".to_owned(), cause()) },
            Error::Bind { address, source: cause() },
            Error::Socket { path: path.clone(), source: cause() },
            Error::File { path, source: cause() },
            Error::Thread(cause()),
        ] {
            assert!(!error.to_string().contains("no such luck"), "{error}");
            let (mut level, mut count) = (error.source(), 0);
            while let Some(cause) = level {
                count += usize::from(cause.to_string().contains("no such luck"));
                level = cause.source();
            }
            assert_eq!(count, 1, "{error:?}");
        }
    }
}
