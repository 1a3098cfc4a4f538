//! In the place of `tls.rs` where the feature `tls` is off.

use tokio::net::TcpStream;
use towline_core::endpoint::Endpoint;

use super::config::{Http2Policy, TlsConfig};
use super::error::{ErrorKind, Sent, TransportError};
use super::socket::Socket;

#[derive(Debug)]
pub(super) struct Tls;

impl Tls {
    pub(super) fn new(_: &TlsConfig, _: Http2Policy) -> Self {
        Self
    }

    /// # Errors
    ///
    /// Always.
    pub(super) fn check(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        Err(absent(endpoint))
    }

    /// # Errors
    ///
    /// Always.
    pub(super) async fn connect(&self, _: TcpStream, endpoint: &Endpoint) -> Result<Socket, TransportError> {
        Err(absent(endpoint))
    }
}

fn absent(endpoint: &Endpoint) -> TransportError {
    let kind = ErrorKind::Tls("this build has no TLS (feature tls)".into());
    TransportError::new(kind, Sent::Nothing, endpoint)
}
