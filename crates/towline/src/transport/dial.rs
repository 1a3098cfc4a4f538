//! Making a socket: names, addresses, TCP and Unix sockets.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tower_service::Service;
use towline_core::endpoint::Endpoint;

use super::config::TcpConfig;
use super::error::{ErrorKind, Sent, TransportError};
use super::socket::Socket;

/// Connects over TCP, trying both address families side by side where a name has both.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    connector: HttpConnector<Resolver>,
}

/// Why there is no TCP connection.
#[derive(Debug)]
pub(super) struct DialError {
    pub(super) failure: DialFailure,
    pub(super) source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialFailure {
    NoAddress,
    Refused,
    Other,
}

impl From<DialFailure> for ErrorKind {
    fn from(failure: DialFailure) -> Self {
        match failure {
            DialFailure::NoAddress => Self::Resolve,
            DialFailure::Refused => Self::Refused,
            DialFailure::Other => Self::ConnectFailed,
        }
    }
}

impl Dialer {
    pub(super) fn new(config: &TcpConfig) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver);
        connector.enforce_http(false);
        connector.set_nodelay(config.nodelay);
        connector.set_keepalive(config.keepalive);
        connector.set_happy_eyeballs_timeout(Some(config.fallback_after));
        Self { connector }
    }

    /// # Cancel safety
    ///
    /// Dropping the future gives up; a name lookup that has begun ends on its own.
    ///
    /// # Errors
    ///
    /// [`DialError`].
    pub(super) async fn tcp(&self, host_port: &str) -> Result<TcpStream, DialError> {
        let uri = format!("http://{host_port}/");
        let uri = uri
            .parse::<http::Uri>()
            .map_err(|error| DialError { failure: DialFailure::NoAddress, source: error.into() })?;
        match self.connector.clone().call(uri).await {
            Ok(stream) => Ok(stream.into_inner()),
            Err(error) => Err(DialError { failure: classify(&error), source: innermost(error) }),
        }
    }
}

/// # Cancel safety
///
/// Dropping the future gives up.
///
/// # Errors
///
/// [`TransportError`] of the kinds Refused and ConnectFailed.
pub(super) async fn unix(path: &Path, endpoint: &Endpoint) -> Result<Socket, TransportError> {
    match tokio::net::UnixStream::connect(path).await {
        Ok(stream) => Ok(Socket::Unix(stream)),
        Err(error) => {
            let failure = classify(&error);
            Err(TransportError::new(failure.into(), Sent::Nothing, endpoint).because(error))
        }
    }
}

fn classify(error: &(dyn StdError + 'static)) -> DialFailure {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<ResolveFailed>() {
            return DialFailure::NoAddress;
        }
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            return DialFailure::Refused;
        }
        next = error.source();
    }
    DialFailure::Other
}

/// The text of the last error of the chain: the connector's own words repeat what the kind says.
fn innermost(error: impl StdError + 'static) -> Box<dyn StdError + Send + Sync> {
    let mut last: &dyn StdError = &error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string().into()
}

/// Resolves names as the operating system does, and marks its failures.
#[derive(Debug, Clone, Copy)]
struct Resolver;

#[derive(Debug)]
struct ResolveFailed(io::Error);

impl fmt::Display for ResolveFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("name lookup failed")
    }
}

impl StdError for ResolveFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveFailed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(ResolveFailed)?;
            Ok(found.collect::<Vec<_>>().into_iter())
        })
    }
}
