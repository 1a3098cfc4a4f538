//! From an address to the bytes of a response.
//!
//! ```text
//! let transport = Transport::new(TransportConfig::default())?;
//! let connection = transport.connect(&endpoint).await?;          // the connect clock runs here
//! let mut response = connection.send(request).await?;            // the first-byte clock runs here
//! while let Read::Bytes(n) = response.body.read(&mut out).await? { … }
//! ```
//!
//! The hot path has no layer between the socket and the caller: [`ResponseBody::poll_read`](body::ResponseBody::poll_read)
//! reads the socket into a buffer of the thread, decodes the framing, and appends the body to the caller's buffer. No task
//! is spawned for it, and a connection holds no buffer while it waits.
//!
//! A connection whose response was read to its end goes back to the pool by itself. A response dropped earlier closes its
//! connection.

mod body;
mod config;
mod dial;
mod error;
mod http1;
mod pool;
mod proxy;
mod read_buffer;
mod request;
mod socket;
mod tls;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use towline_core::endpoint::{Endpoint, Scheme};

pub(crate) use self::body::{Read, ResponseBody};
pub use self::config::{
    Http2Config, Http2Policy, PoolConfig, Proxy, ProxyConfig, RedirectPolicy, TcpConfig, TlsConfig,
    TransportConfig,
};
pub(crate) use self::error::{ErrorKind, Sent, TransportError};
pub(crate) use self::request::{Request, RequestBody, Response};

use self::dial::Dialer;
use self::http1::Http1;
use self::pool::{Link, Origin, Pool};
use self::proxy::Proxies;
use self::socket::Socket;
use self::tls::Tls;

/// Makes connections and keeps those that can be used again. Cloning is cheap and shares the pool.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: TransportConfig,
    dialer: Dialer,
    proxies: Proxies,
    tls: Tls,
    pool: Arc<Pool>,
}

impl Transport {
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the configuration cannot be used.
    pub(crate) fn new(config: TransportConfig) -> Result<Self, TransportError> {
        Ok(Self {
            shared: Arc::new(Shared {
                dialer: Dialer::new(&config.tcp),
                proxies: Proxies::new(&config.proxy)?,
                tls: Tls::new(&config.tls, Http2Policy::Never)?,
                pool: Arc::new(Pool::new(config.pool.clone())),
                config,
            }),
        })
    }

    /// A connection to the server: an idle one that is still alive, or a new one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up; nothing was sent.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`].
    pub(crate) async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, TransportError> {
        let origin = Arc::new(Origin::of(endpoint));
        let pooled = self.shared.pool.take(&origin);
        let reused = pooled.is_some();
        let link = match pooled {
            Some(link) => link,
            None => self.dial(endpoint).await?,
        };
        Ok(Connection {
            endpoint: endpoint.clone(),
            reused,
            http1: Http1 { link, origin, pool: Arc::clone(&self.shared.pool) },
            shared: Arc::clone(&self.shared),
        })
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Link, TransportError> {
        let Shared { config, dialer, proxies, tls, .. } = &*self.shared;
        let tunnel = endpoint.scheme == Scheme::Https || config.http2.policy == Http2Policy::PriorKnowledge;
        let (socket, forward) = match &endpoint.scheme {
            Scheme::Unix(path) => (dial::unix(path, endpoint).await?, None),
            Scheme::Http => {
                let (stream, forward) = proxies.connect(dialer, endpoint, tunnel, config.limits).await?;
                (Socket::Tcp(stream), forward)
            }
            Scheme::Https => {
                let (stream, _) = proxies.connect(dialer, endpoint, tunnel, config.limits).await?;
                (tls.connect(stream, endpoint).await?, None)
            }
        };
        Ok(Link { socket, forward })
    }
}

/// A connection that is ready for one request. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: Endpoint,
    reused: bool,
    http1: Http1,
    shared: Arc<Shared>,
}

impl Connection {
    /// Whether the connection has served a request before.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends the request and waits for the head of its response.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection; the server may have processed the request.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; [`TransportError::sent`] says whether the request can be repeated.
    pub(crate) async fn send(self, request: Request) -> Result<Response, TransportError> {
        let (head, body) = self.http1.send(&self.endpoint, request, self.shared.config.limits).await?;
        Ok(Response { status: head.status, headers: head.headers, body: ResponseBody::new(body) })
    }
}
