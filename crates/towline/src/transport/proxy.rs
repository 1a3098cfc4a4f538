//! Connections through a proxy.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towline_core::endpoint::{Credentials, Endpoint, Scheme};
use towline_core::host::authority;
use towline_core::http1::{HeadLimits, HeadParser, Headers, Method, RequestFraming, encode_request};

use super::config::ProxyConfig;
use super::dial::{DialFailure, Dialer};
use super::error::{ErrorKind, Sent, TransportError};
use super::no_proxy::NoProxy;
use super::socks;

/// A proxy that receives whole requests, with the absolute URL on the request line.
pub(super) struct Forward {
    authorization: Option<String>,
}

impl Forward {
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

/// Decides which targets use which proxy.
#[derive(Debug)]
pub(super) struct Proxies {
    /// The proxy, or the reason why the configured one cannot be used.
    proxy: Option<Result<Proxy, String>>,
    no_proxy: NoProxy,
    loopback: bool,
}

#[derive(Debug)]
struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Socks5,
}

/// Without its credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", Endpoint::http(&self.host, self.port).host_port())
    }
}

impl Proxy {
    /// # Errors
    ///
    /// What is wrong with the URL, without the URL itself.
    fn read(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or(("http", url.trim()));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "socks" | "socks5" | "socks5h" => (Kind::Socks5, 1080),
            other if other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(format!(
                    "the proxy's scheme {other:?} is not supported; use http://host:port or socks5://host:port"
                ));
            }
            _ => return Err("a proxy must be http://host:port or socks5://host:port".into()),
        };
        // A slash before the host is part of a password, where it is an error.
        let host_at = rest.rfind('@').unwrap_or_default();
        let end = rest[host_at..].find('/').map_or(rest.len(), |slash| host_at + slash);
        let read = authority(&rest[..end]);
        let proxy = read.map_err(|error| format!("the proxy's address is invalid: {error}"))?;
        if proxy.host.is_empty() {
            return Err("the proxy's address has no host".into());
        }
        let port = proxy.port.unwrap_or(default_port);
        Ok(Self { kind, host: proxy.host, port, credentials: proxy.credentials })
    }

    fn authorization(&self) -> Option<String> {
        self.credentials.as_ref().map(Credentials::basic)
    }
}

impl Proxies {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        Self {
            proxy: config.url.as_deref().map(Proxy::read),
            no_proxy: NoProxy::new(&config.no_proxy),
            loopback: config.loopback_through_proxy,
        }
    }

    /// The proxy on the way to the endpoint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is one that cannot be used.
    fn on_the_way(&self, endpoint: &Endpoint) -> Result<Option<&Proxy>, TransportError> {
        let direct = matches!(endpoint.scheme, Scheme::Unix(_))
            || (endpoint.is_loopback() && !self.loopback)
            || self.no_proxy.has(endpoint);
        match self.proxy.as_ref().filter(|_| !direct) {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(why)) => {
                Err(TransportError::new(ErrorKind::Config(why.clone()), Sent::Nothing, endpoint))
            }
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Config`] when connections to the endpoint need a proxy that cannot be used.
    pub(super) fn check(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        self.on_the_way(endpoint).map(drop)
    }

    /// A TCP connection that leads to the endpoint, through the proxy where one is set for it. `tunnel` asks for a plain
    /// byte stream to the endpoint; otherwise the proxy may be one that forwards requests.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`].
    pub(super) async fn connect(
        &self,
        dialer: &Dialer,
        endpoint: &Endpoint,
        tunnel: bool,
        limits: HeadLimits,
    ) -> Result<(TcpStream, Option<Arc<Forward>>), TransportError> {
        let fail = |kind| TransportError::new(kind, Sent::Nothing, endpoint);
        let Some(proxy) = self.on_the_way(endpoint)? else {
            return match dialer.tcp(&endpoint.host, endpoint.port).await {
                Ok(stream) => Ok((stream, None)),
                Err(error) => Err(fail(error.failure.into()).because(error.source)),
            };
        };
        let mut stream = dialer.tcp(&proxy.host, proxy.port).await.map_err(|error| {
            let what = match error.failure {
                DialFailure::NoAddress => "cannot be resolved",
                DialFailure::Refused => "refused the connection",
                DialFailure::Other => "cannot be reached",
            };
            fail(ErrorKind::Proxy(format!("{proxy} {what}"))).because(error.source)
        })?;
        let tunnelled = match proxy.kind {
            // Boxed, as is everything on this way that is large and not always needed: thousands of streams may dial together.
            Kind::Http if tunnel => Box::pin(open_tunnel(&mut stream, endpoint, proxy, limits)).await,
            Kind::Http => {
                return Ok((stream, Some(Arc::new(Forward { authorization: proxy.authorization() }))));
            }
            Kind::Socks5 => socks::connect(&mut stream, endpoint, proxy.credentials.as_ref()).await,
        };
        tunnelled.map_err(|what| fail(ErrorKind::Proxy(format!("{proxy} {what}"))))?;
        Ok((stream, None))
    }
}

/// Asks the proxy to connect. The error text follows the proxy's address in a message.
async fn open_tunnel(
    stream: &mut TcpStream,
    endpoint: &Endpoint,
    proxy: &Proxy,
    limits: HeadLimits,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("closed the connection: {error}");
    let target = endpoint.host_port();
    let mut headers = Headers::new();
    headers.push("Host", &target);
    if let Some(authorization) = proxy.authorization() {
        headers.push("Proxy-Authorization", authorization);
    }
    let request = encode_request(Method::Connect, &target, &headers, RequestFraming::Empty)
        .map_err(|error| error.to_string())?;
    stream.write_all(&request).await.map_err(failed)?;

    // Peek before reading: the bytes after the head belong to the server at the other end.
    let mut parser = HeadParser::new(Method::Connect, limits);
    let mut buffer = [0; 1024];
    loop {
        let seen = stream.peek(&mut buffer).await.map_err(failed)?;
        if seen == 0 {
            return Err("closed the connection".into());
        }
        let complete =
            parser.push(&buffer[..seen]).map_err(|error| format!("sent an invalid response: {error}"))?;
        let used = complete.as_ref().map_or(seen, |(_, used)| *used);
        stream.read_exact(&mut buffer[..used]).await.map_err(failed)?;
        match complete.map(|(head, _)| head.status) {
            None => {}
            Some(200..300) => return Ok(()),
            Some(407) => return Err("requires valid credentials (status 407)".into()),
            Some(status) => return Err(format!("refused to open a tunnel (status {status})")),
        }
    }
}
