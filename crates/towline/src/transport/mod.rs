//! From an address to the bytes of a response.
//!
//! ```text
//! let transport = Transport::new(TransportConfig::default());
//! let connection = transport.connect(&endpoint).await?;          // the connect clock runs here
//! let mut response = connection.send(request).await?;            // the first-byte clock runs here
//! while let Read::Bytes(n) = response.body.read(&mut out).await? { … }
//! ```
//!
//! The hot path has no layer between the socket and the caller: [`ResponseBody::poll_read`](body::ResponseBody::poll_read)
//! reads the socket into a buffer of the thread, decodes the framing, and appends the body to the caller's buffer. No task
//! is spawned for it, and a connection holds no buffer while it waits.
//!
//! A connection whose response was read to its end returns to the pool automatically. A response that is
//! dropped earlier closes its connection.

mod body;
mod config;
mod dial;
mod error;
mod exchange;
mod http1;
#[cfg_attr(not(feature = "http2"), path = "http2_absent.rs")]
mod http2;
#[cfg(feature = "http2")]
mod http2_driver;
mod inflate;
mod no_proxy;
mod pool;
mod proxy;
mod read_buffer;
mod redirect;
mod request;
mod socket;
mod socks;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
mod upload;
mod variables;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use towline_core::endpoint::{Endpoint, Scheme};

pub(crate) use self::body::{Read, ResponseBody};
pub use self::config::{
    Http2Config, Http2Policy, PoolConfig, ProxyConfig, RedirectPolicy, TcpConfig, TlsConfig, TransportConfig,
};
pub(crate) use self::error::{ErrorKind, Sent, TransportError};
pub(crate) use self::request::{Request, RequestBody, Response};
pub use self::variables::NetworkVariables;

use self::dial::Dialer;
use self::exchange::Sending;
use self::http2::{Http2, StreamSlot};
use self::pool::{Checkout, Link, Origin, Pool};
use self::proxy::Proxies;
use self::socket::Socket;
use self::tls::Tls;

/// Opens connections and keeps those that can be reused. Cloning is cheap and shares the pool.
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
    pub(crate) fn new(config: TransportConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                dialer: Dialer::new(&config.tcp),
                proxies: Proxies::new(&config.proxy),
                tls: Tls::new(&config.tls, config.http2.policy),
                pool: Arc::new(Pool::new(config.pool.clone(), config.http2.max_connections)),
                config,
            }),
        }
    }

    /// # Errors
    ///
    /// If connections to the endpoint need an unusable proxy, unusable certificates, or TLS in a build
    /// without it.
    pub(crate) fn check(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        self.shared.proxies.check(endpoint)?;
        if endpoint.scheme == Scheme::Https { self.shared.tls.check(endpoint) } else { Ok(()) }
    }

    /// A connection to the server: an idle one that is still alive, or a new one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; nothing was sent.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`].
    pub(crate) async fn connect(&self, endpoint: &Arc<Endpoint>) -> Result<Connection, TransportError> {
        let mut origin = Arc::new(Origin::of(endpoint));
        let pool = &self.shared.pool;
        let mut permit = None;
        let checked_out = loop {
            match pool.check_out(&mut origin) {
                Checkout::Http1(link) => break Some(Exclusive::Http1(link)),
                Checkout::Http2(connection, slot) => break Some(Exclusive::Http2(connection, slot)),
                // In either case the next lookup in the pool decides.
                Checkout::AwaitingSettings(mut has_settings) => drop(has_settings.wait_for(|has| *has).await),
                Checkout::Nothing if permit.is_some() || !self.may_share(endpoint) => break None,
                Checkout::Nothing => match pool.open_permit(&origin).await {
                    Some(granted) => permit = Some(granted),
                    None => break None,
                },
            }
        };
        let reused = checked_out.is_some();
        let link = match checked_out {
            Some(link) => link,
            // Boxed, because it is large and rarely needed.
            None => Box::pin(self.open(endpoint, &origin)).await?,
        };
        Ok(Connection { endpoint: Arc::clone(endpoint), origin, reused, link, transport: self.clone() })
    }

    /// A new connection.
    async fn open(&self, endpoint: &Endpoint, origin: &Arc<Origin>) -> Result<Exclusive, TransportError> {
        let pool = &self.shared.pool;
        let link = self.dial(endpoint).await?;
        let prior = self.shared.config.http2.policy == Http2Policy::PriorKnowledge;
        if !prior && !link.socket.negotiated_http2() {
            if self.may_share(endpoint) {
                pool.speaks_http1(origin);
            }
            return Ok(Exclusive::Http1(link));
        }
        let config = &self.shared.config;
        let opening = Http2::open(link.socket, &config.http2, config.limits, endpoint);
        let connection = Box::pin(opening).await?;
        let slot = connection.slot();
        pool.share(origin, &connection);
        let slot = slot.ok_or_else(|| {
            let kind = ErrorKind::Protocol("the server allows no HTTP/2 streams".into());
            TransportError::new(kind, Sent::Nothing, endpoint)
        })?;
        Ok(Exclusive::Http2(connection, slot))
    }

    /// Whether a new connection may turn out to be one that many requests share.
    fn may_share(&self, endpoint: &Endpoint) -> bool {
        match self.shared.config.http2.policy {
            Http2Policy::Auto => cfg!(feature = "http2") && endpoint.scheme == Scheme::Https,
            Http2Policy::Never => false,
            Http2Policy::PriorKnowledge => true,
        }
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
                (Box::pin(tls.connect(stream, endpoint)).await?, None)
            }
        };
        Ok(Link { socket, forward })
    }
}

/// A connection, or a slot on a shared one, reserved for one request.
#[derive(Debug)]
enum Exclusive {
    Http1(Link),
    Http2(Http2, StreamSlot),
}

/// A connection that is ready for one request. Dropping it closes it, unless others share it.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: Arc<Endpoint>,
    origin: Arc<Origin>,
    /// Whether it has served a request before.
    reused: bool,
    link: Exclusive,
    transport: Transport,
}

impl Connection {
    /// Sends the request and waits for the head of its response. Redirects are followed within this call, on
    /// new connections. If a server closes a reused connection with 408, because it stopped waiting before
    /// this request arrived, the request is sent again on a new connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection or resets the stream; the server may have processed the request.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; [`TransportError::sent`] says whether the request can be repeated.
    pub(crate) fn send(self, request: Request) -> Sending {
        Sending::new(self, request)
    }
}
