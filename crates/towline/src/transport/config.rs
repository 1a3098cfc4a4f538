//! Settings of the transport, as plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use towline_core::http1::HeadLimits;

/// The configuration of the transport. Build it with `..Default::default()`.
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
    /// Size limits for the head of a response.
    pub limits: HeadLimits,
    /// Which redirects are followed.
    pub redirects: RedirectPolicy,
}

/// TCP connections.
#[derive(Debug, Clone)]
pub struct TcpConfig {
    /// How long one address of a server is tried before the next one is tried in parallel. Default: 250 ms
    /// (RFC 8305, section 5).
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
    /// Maximum number of idle HTTP/1.1 connections per origin; the one that has been idle longest is closed
    /// first. Default: 32.
    pub max_idle_per_host: usize,
    /// How long a connection may be idle and still be reused. Checked when the pool is used; there is no
    /// timer. Default: 90 s.
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max_idle_per_host: 32, idle_timeout: Duration::from_secs(90) }
    }
}

/// The trusted certificate authorities. Certificate checks cannot be switched off.
///
/// An unusable setting is an error of each connection with TLS, and of a client of an `https` server.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// Certificates of additional authorities, in PEM. Default: none.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// A PEM file with more certificates, read when a connection first needs it. Default: none.
    pub extra_roots_file: Option<PathBuf>,
    /// Trust only these, not the public authorities. Default: off.
    pub only_extra_roots: bool,
}

/// The way through a proxy.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    /// The proxy: `http://host:port`, which forwards plain HTTP and opens tunnels (`CONNECT`) for TLS and HTTP/2, or
    /// `socks5://host:port`, which opens tunnels and resolves names (`socks5h://` and `socks://` are the
    /// same). The scheme is optional for HTTP. The host may have `user:password@` before it, so the URL is
    /// never shown. An unusable proxy is an error of each connection that needs it, and of a client whose
    /// server is behind it.
    ///
    /// Default: none. The environment is never read here; see [`NetworkVariables`](super::NetworkVariables).
    pub url: Option<String>,
    /// Targets that are reached directly, in the notation of `NO_PROXY`: names (including their subdomains;
    /// `*.corp` and `.corp` mean the same as `corp`), addresses, networks such as `10.0.0.0/8`, names and
    /// addresses with a `:port` for only that port, or `*`. An entry may have several targets, separated by
    /// commas or spaces. Default: empty.
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
/// An unread stream takes up its own window within the connection's window, so stalled streams are harmless
/// as long as their windows fit into the connection's: therefore stream windows are small and the connection
/// window is large. The windows never adapt: an adaptive window starts small, and small frames then exhaust
/// the frame budget and end every stream.
#[derive(Debug, Clone)]
pub struct Http2Config {
    /// Default: [`Http2Policy::Auto`].
    pub policy: Http2Policy,
    /// Maximum number of unread bytes of one stream. Default: 65,536.
    pub stream_window_bytes: u32,
    /// Maximum number of unread bytes of all streams of a connection. Default: 2,147,483,647, the largest
    /// possible value.
    pub connection_window_bytes: u32,
    /// Number of streams on one connection before another connection is opened, if the server allows as many.
    /// Default: 1,000.
    pub max_streams_per_connection: usize,
    /// Number of connections to one server before further streams share them, as far as the server allows;
    /// beyond that, more are opened. Default: 8.
    pub max_connections: usize,
    /// Time between two PING frames; `None` sends none. Default: 30 s.
    pub ping_interval: Option<Duration>,
    /// How long a PING may be unanswered before the connection is closed. Default: 20 s.
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

/// When HTTP/2 is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Http2Policy {
    /// With TLS, if the server prefers it (ALPN); never without TLS.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, with and without TLS; a server without HTTP/2 is an error.
    PriorKnowledge,
}

/// Which redirects are followed. Credentials never go to another origin, whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RedirectPolicy {
    /// To the same host and port, or from http to https on the same host. Any other target is an error.
    #[default]
    SameHost,
    /// To any http or https target. Only headers without secrets go to another origin.
    Any,
    /// Never: the redirect is the response.
    Never,
}

/// Maximum number of redirects in a row.
pub(crate) const MAX_REDIRECTS: usize = 10;
