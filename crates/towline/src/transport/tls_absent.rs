//! In the place of `tls.rs` where the feature `tls` is off.

use tokio::net::TcpStream;
use towline_core::endpoint::Endpoint;

use super::config::{Http2Policy, TlsConfig};
use super::error::{ErrorKind, Sent, TransportError};
use super::socket::Socket;

#[derive(Debug)]
pub(super) struct Tls;

impl Tls {
    /// # Errors
    ///
    /// None: certificates matter only to a connection with TLS.
    pub(super) fn new(_: &TlsConfig, _: Http2Policy) -> Result<Self, TransportError> {
        Ok(Self)
    }

    /// # Errors
    ///
    /// Always.
    pub(super) async fn connect(&self, _: TcpStream, endpoint: &Endpoint) -> Result<Socket, TransportError> {
        let kind = ErrorKind::Tls("this build has no TLS (feature tls)".into());
        Err(TransportError::new(kind, Sent::Nothing, endpoint))
    }
}
