//! Settings of the transport, as plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use towline_core::http1::HeadLimits;

/// Everything the transport can be told. A literal with `..Default::default()` is the way to build one.
#[derive(Debug, Clone, Default)]
pub struct TransportConfig {
    /// TCP connections.
    pub tcp: TcpConfig,
    /// Connections kept for the next request.
    pub pool: PoolConfig,
    /// Who is trusted.
    pub tls: TlsConfig,
    /// The way through a proxy.
    pub proxy: ProxyConfig,
    /// HTTP/2.
    pub http2: Http2Config,
    /// Bounds on the head of a response.
    pub limits: HeadLimits,
    /// Which redirects are followed.
    pub redirects: RedirectPolicy,
}

/// TCP connections.
#[derive(Debug, Clone)]
pub struct TcpConfig {
    /// How long one address of a server is tried before the next one is tried beside it. Default: 250 ms (RFC 8305,
    /// section 5).
    pub fallback_after: Duration,
    /// `TCP_NODELAY`. Default: on, since a request is one small write.
    pub nodelay: bool,
    /// Idle time before the kernel probes the peer; `None` turns probes off. Default: 60 s.
    pub keepalive: Option<Duration>,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            fallback_after: Duration::from_millis(250),
            nodelay: true,
            keepalive: Some(Duration::from_secs(60)),
        }
    }
}

/// Connections kept for the next request.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Most idle HTTP/1.1 connections per origin; the longest idle goes first. Default: 32.
    pub max_idle_per_host: usize,
    /// How long a connection may be idle and still be used. Looked at when the pool is used; there is no timer.
    /// Default: 90 s.
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max_idle_per_host: 32, idle_timeout: Duration::from_secs(90) }
    }
}

/// Who is trusted. There is no way to accept any certificate.
///
/// What cannot be used is an error of each connection with TLS, and of a client of an `https` server.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// Certificates of further authorities, PEM. Default: none.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// A PEM file with more of them, read when a connection first needs it. Default: none.
    pub extra_roots_file: Option<PathBuf>,
    /// Trust only these, not the authorities that browsers trust. Default: off.
    pub only_extra_roots: bool,
}

/// The way through a proxy.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    /// The proxy: `http://host:port`, which forwards plain HTTP and opens tunnels (`CONNECT`) for TLS and HTTP/2, or
    /// `socks5://host:port`, which opens tunnels and resolves names (`socks5h://` and `socks://` are the same). The kind may
    /// be left out for HTTP. `user:password@` may stand before the host, so the URL is never shown. One that cannot be used
    /// is an error of each connection that needs it, and of a client whose server it stands before.
    ///
    /// Default: none. The environment is never read here; see [`NetworkVariables`](super::NetworkVariables).
    pub url: Option<String>,
    /// Targets that are reached directly, written as in `NO_PROXY`: names (with all names below them, `*.corp` and `.corp` as
    /// `corp`), addresses, networks such as `10.0.0.0/8`, each name and address with a `:port` if only that is meant, or
    /// `*`. Entries may hold several, with commas or blanks between. Default: empty.
    pub no_proxy: Vec<String>,
    /// Send loopback targets through the proxy too. Default: off.
    pub loopback_through_proxy: bool,
}

/// Without the URL.
impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("url", &self.url.as_ref().map(|_| "<hidden>"))
            .field("no_proxy", &self.no_proxy)
            .field("loopback_through_proxy", &self.loopback_through_proxy)
            .finish()
    }
}

/// HTTP/2.
///
/// A stream that is not read holds its window of the connection's window, and so many stalled streams as the one fits
/// into the other are harmless: hence the small and the large one. The windows never adapt: an adapting window starts
/// small, and small frames then exhaust the frame budget and take down every stream.
#[derive(Debug, Clone)]
pub struct Http2Config {
    /// Default: [`Http2Policy::Auto`].
    pub policy: Http2Policy,
    /// Bytes one stream may have unread. Default: 65,536.
    pub stream_window_bytes: u32,
    /// Bytes all streams of a connection may have unread. Default: 2,147,483,647, the largest there is.
    pub connection_window_bytes: u32,
    /// Streams on one connection before another is opened, where the server allows as many. Default: 1,000.
    pub max_streams_per_connection: usize,
    /// Connections to one server before further streams share them, as far as the server allows; beyond that more are
    /// opened. Default: 8.
    pub max_connections: usize,
    /// Time between two PING frames; `None` sends none. Default: 30 s.
    pub ping_interval: Option<Duration>,
    /// How long a PING may be unanswered before the connection is given up. Default: 20 s.
    pub ping_timeout: Duration,
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            policy: Http2Policy::Auto,
            stream_window_bytes: 64 * 1024,
            connection_window_bytes: (1 << 31) - 1,
            max_streams_per_connection: 1000,
            max_connections: 8,
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// When HTTP/2 is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Http2Policy {
    /// With TLS, where the server prefers it (ALPN); without TLS never.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, with and without TLS; a server that cannot is an error.
    PriorKnowledge,
}

/// Which redirects are followed. Credentials never go to another origin, whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RedirectPolicy {
    /// To the same host and port, or from http to https of the same host. Another target is an error.
    #[default]
    SameHost,
    /// To any http or https target. Only headers that hold no secret go to another origin.
    Any,
    /// None: the redirect is the response.
    Never,
}

/// Most redirects in a row.
pub(crate) const MAX_REDIRECTS: usize = 10;
