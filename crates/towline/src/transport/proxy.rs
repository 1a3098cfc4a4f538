//! Ways through a proxy.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;
use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::http1::{HeadLimits, HeadParser, Headers, Method, RequestFraming, encode_request};

use super::config::{Proxy, ProxyConfig};
use super::dial::{DialFailure, Dialer};
use super::error::{ErrorKind, Sent, TransportError};

/// A proxy that is sent whole requests, with the full address on the request line.
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

/// Which targets go through which proxy.
#[derive(Debug)]
pub(super) struct Proxies {
    rules: Option<Rules>,
}

struct Rules {
    matcher: Matcher,
    kind: Kind,
    loopback: bool,
    everything_direct: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Socks5,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl Proxies {
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the proxy's URL cannot be used. The URL is not shown.
    pub(super) fn new(config: &ProxyConfig) -> Result<Self, TransportError> {
        let (url, kind, schemes) = match &config.proxy {
            Proxy::None => return Ok(Self { rules: None }),
            Proxy::Http(url) => (url, Kind::Http, ["http", "http"]),
            Proxy::Socks5(url) => (url, Kind::Socks5, ["socks5", "socks5h"]),
        };
        let unusable = || TransportError::config(format!("the proxy URL must be {}://host:port", schemes[0]));
        let parsed = Matcher::builder().all(url).build();
        let proxy = parsed.intercept(&Uri::from_static("http://target.invalid/")).ok_or_else(unusable)?;
        let uri = proxy.uri();
        // A port that is no number counts as none.
        let port_is_bad = uri.port_u16().is_none() && uri.authority().map(|to| to.as_str()) != uri.host();
        if port_is_bad || !uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)) {
            return Err(unusable());
        }
        Ok(Self {
            rules: Some(Rules {
                matcher: Matcher::builder().all(url).no(config.no_proxy.join(",")).build(),
                kind,
                loopback: config.loopback_through_proxy,
                everything_direct: config.no_proxy.iter().any(|entry| entry.trim() == "*"),
            }),
        })
    }

    fn intercept(&self, endpoint: &Endpoint) -> Option<(Intercept, Kind)> {
        let rules = self.rules.as_ref()?;
        if rules.everything_direct || (endpoint.is_loopback() && !rules.loopback) {
            return None;
        }
        let scheme = match &endpoint.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Unix(_) => return None,
        };
        let uri = format!("{scheme}://{}/", endpoint.host_port()).parse().ok()?;
        rules.matcher.intercept(&uri).map(|proxy| (proxy, rules.kind))
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
        let Some((proxy, kind)) = self.intercept(endpoint) else {
            let stream = dialer.tcp(&endpoint.host_port()).await;
            return match stream {
                Ok(stream) => Ok((stream, None)),
                Err(error) => Err(fail(error.failure.into()).because(error.source)),
            };
        };
        let at = proxy_host_port(&proxy, kind);
        let mut stream = dialer.tcp(&at).await.map_err(|error| {
            let what = match error.failure {
                DialFailure::NoAddress => "cannot be resolved",
                DialFailure::Refused => "refused the connection",
                DialFailure::Other => "cannot be connected to",
            };
            fail(ErrorKind::Proxy(format!("{at} {what}"))).because(error.source)
        })?;
        match kind {
            Kind::Http if tunnel => {
                open_tunnel(&mut stream, endpoint, &proxy, limits)
                    .await
                    .map_err(|what| fail(ErrorKind::Proxy(format!("{at} {what}"))))?;
                Ok((stream, None))
            }
            Kind::Http => Ok((stream, Some(Arc::new(Forward { authorization: basic(&proxy) })))),
            Kind::Socks5 => {
                let stream = socks(stream, endpoint, &proxy)
                    .await
                    .map_err(|what| fail(ErrorKind::Proxy(format!("{at}: {what}"))))?;
                Ok((stream, None))
            }
        }
    }
}

fn proxy_host_port(proxy: &Intercept, kind: Kind) -> String {
    let default_port = match kind {
        Kind::Http => 80,
        Kind::Socks5 => 1080,
    };
    format!("{}:{}", proxy.uri().host().unwrap_or_default(), proxy.uri().port_u16().unwrap_or(default_port))
}

fn basic(proxy: &Intercept) -> Option<String> {
    proxy.basic_auth().and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Asks the proxy to connect us, and says what went wrong in words that follow the proxy's address.
async fn open_tunnel(
    stream: &mut TcpStream,
    endpoint: &Endpoint,
    proxy: &Intercept,
    limits: HeadLimits,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("closed the connection: {error}");
    let target = endpoint.host_port();
    let mut headers = Headers::new();
    headers.push("Host", &target);
    if let Some(authorization) = basic(proxy) {
        headers.push("Proxy-Authorization", authorization);
    }
    let request = encode_request(Method::Connect, &target, &headers, RequestFraming::Empty)
        .map_err(|error| error.to_string())?;
    stream.write_all(&request).await.map_err(failed)?;

    // Look before reading: what follows the head belongs to the server at the other end.
    let mut parser = HeadParser::new(Method::Connect, limits);
    let mut buffer = [0; 1024];
    loop {
        let seen = stream.peek(&mut buffer).await.map_err(failed)?;
        if seen == 0 {
            return Err("closed the connection".into());
        }
        let complete = parser.push(&buffer[..seen]).map_err(|error| format!("answered wrongly: {error}"))?;
        let used = complete.as_ref().map_or(seen, |(_, used)| *used);
        stream.read_exact(&mut buffer[..used]).await.map_err(failed)?;
        match complete.map(|(head, _)| head.status) {
            None => {}
            Some(200..300) => return Ok(()),
            Some(407) => return Err("wants other credentials (status 407)".into()),
            Some(status) => return Err(format!("refused to open a tunnel (status {status})")),
        }
    }
}

async fn socks(stream: TcpStream, endpoint: &Endpoint, proxy: &Intercept) -> Result<TcpStream, String> {
    let target: Uri = format!("http://{}/", endpoint.host_port())
        .parse()
        .map_err(|_| "the host is not a name".to_owned())?;
    let mut connector = SocksV5::new(proxy.uri().clone(), Given(Some(stream)));
    if let Some((user, password)) = proxy.raw_auth() {
        connector = connector.with_auth(user.to_owned(), password.to_owned());
    }
    match connector.call(target).await {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error) => Err(error.to_string()),
    }
}

/// A connector whose one connection was made before.
struct Given(Option<TcpStream>);

impl Service<Uri> for Given {
    type Response = TokioIo<TcpStream>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().unwrap_or_else(|| unreachable!("a handshake connects once"));
        ready(Ok(TokioIo::new(stream)))
    }
}
