//! The addresses on which a relay listens, and the location of its logs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use towline::client::Endpoint;
use towline_core::endpoint::Scheme;

use crate::store::{NotRedis, RedisAddress};

/// An address on which a relay listens. Written as `unix:/path`, `address:port`, or `own`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// The user's own socket. The relay does not read the environment, so the program that starts it replaces
    /// this by a path.
    Own,
    /// A Unix socket that only its owner can open. Its folder must exist.
    Unix(PathBuf),
    /// A TCP address; port 0 takes any free one.
    Tcp(SocketAddr),
}

impl Listen {
    /// Whether this is the address of a model server.
    pub(crate) fn is_at(&self, endpoint: &Endpoint) -> bool {
        match (&endpoint.scheme, self) {
            (Scheme::Unix(path), Self::Unix(own)) => path == own,
            (Scheme::Http | Scheme::Https, Self::Tcp(own)) => {
                let is_same = |ip: IpAddr| ip == own.ip() || (ip.is_loopback() && own.ip().is_unspecified());
                let is_here = match endpoint.host.parse::<IpAddr>() {
                    Ok(ip) => is_same(ip),
                    Err(_) => {
                        endpoint.host.eq_ignore_ascii_case("localhost")
                            && (own.ip().is_loopback() || own.ip().is_unspecified())
                    }
                };
                endpoint.port == own.port() && is_here
            }
            (Scheme::Unix(_), Self::Tcp(_) | Self::Own)
            | (Scheme::Http | Scheme::Https, Self::Unix(_) | Self::Own) => false,
        }
    }
}

/// The error for a text that is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected unix:/path, 127.0.0.1:11435, [::1]:11435, or own for your own socket")]
pub struct BadListenAddress;

impl FromStr for Listen {
    type Err = BadListenAddress;

    fn from_str(text: &str) -> Result<Self, BadListenAddress> {
        if text == "own" {
            return Ok(Self::Own);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let text = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
        text.replace("localhost:", "127.0.0.1:").parse().map(Self::Tcp).map_err(|_| BadListenAddress)
    }
}

impl TryFrom<String> for Listen {
    type Error = BadListenAddress;

    fn try_from(text: String) -> Result<Self, BadListenAddress> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// The location of logs. Written as `memory`, the path of a folder, or the address of a Redis or Valkey
/// server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Store {
    /// In memory, lost when the process ends.
    #[default]
    Memory,
    /// In the user's own folder. The relay does not read the environment, so the program that starts it
    /// replaces this by a path.
    Own,
    /// On disk, in a folder for only this relay, which is created if needed.
    Folder(PathBuf),
    /// In Redis or Valkey, shared by several relays.
    Redis(RedisAddress),
}

impl Store {
    pub(super) fn own() -> Self {
        Self::Own
    }
}

impl FromStr for Store {
    type Err = NotRedis;

    fn from_str(text: &str) -> Result<Self, NotRedis> {
        match text {
            "memory" => Ok(Self::Memory),
            _ if RedisAddress::is_meant(text) => text.parse().map(Self::Redis),
            _ => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

impl TryFrom<String> for Store {
    type Error = NotRedis;

    fn try_from(text: String) -> Result<Self, NotRedis> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen() {
        assert_eq!("unix:/run/x.sock".parse(), Ok(Listen::Unix("/run/x.sock".into())));
        assert_eq!("localhost:1".parse(), Ok(Listen::Tcp(([127, 0, 0, 1], 1).into())));
        assert_eq!("own".parse(), Ok(Listen::Own));
        assert_eq!("nowhere".parse::<Listen>(), Err(BadListenAddress));
    }
}
