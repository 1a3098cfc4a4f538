//! What a relay can be told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use towline::{ApiKey, Clocks, Endpoint};

use crate::id::Owner;
use crate::log::Fsync;

/// Everything a relay can be told. Build it with `..Config::default()`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where it listens. An address beyond loopback needs tokens and TLS. Default: nowhere, which is refused.
    pub listen: Vec<Listen>,
    /// Who may come over TCP. With none, whoever reaches a loopback address. Default: none.
    pub tokens: Vec<Token>,
    /// Certificate and key for TCP, PEM. With them every TCP address speaks TLS only. Default: none.
    pub tls: Option<TlsFiles>,
    /// Host names, beside the local ones, under which it is reached. Default: none.
    pub hosts: Vec<String>,
    /// Web origins, beside local ones, whose pages may use it, as `https://chat.example`. Default: none.
    pub origins: Vec<String>,
    /// The model servers. Default: none, which is refused.
    pub upstreams: Vec<UpstreamConfig>,
    /// Where logs are kept.
    pub store: StoreConfig,
    /// How long and how much is kept.
    pub retention: Retention,
    /// How long parts of an upstream's answer may take.
    pub clocks: Clocks,
    /// The named bounds.
    pub limits: RelayLimits,
    /// Times of the relay's own.
    pub times: Times,
}

/// Where a relay listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket that only its owner can open. Its folder must exist.
    Unix(PathBuf),
    /// A TCP address; port 0 takes any free one.
    Tcp(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// A bearer token and whose it is.
#[derive(Clone)]
pub struct Token {
    /// Who comes with it. Each owner sees the streams of that owner only.
    pub owner: Owner,
    /// The secret, 16 bytes or more.
    pub secret: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, <hidden>)", self.owner.as_str())
    }
}

/// The fewest bytes of a token's secret.
pub const MIN_SECRET_BYTES: usize = 16;

/// Files for TLS, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A model server.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name in lists and metrics.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Which API it speaks.
    pub api: UpstreamApi,
    /// Sent to it, and never what a client sent. Default: none.
    pub api_key: Option<ApiKey>,
    /// Certificates of further authorities, PEM. Default: none.
    pub extra_roots_pem: Vec<Vec<u8>>,
}

/// Which API a model server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamApi {
    /// Ollama's, and OpenAI's under `/v1`.
    #[default]
    Ollama,
    /// OpenAI's only.
    OpenAi,
}

/// Where logs are kept.
#[derive(Debug, Clone, Default)]
pub enum StoreConfig {
    /// In memory, gone with the process.
    #[default]
    Memory,
    /// On disk.
    Disk {
        /// The folder, made if needed, for this relay alone.
        folder: PathBuf,
        /// When what was written is made to survive the end of the machine.
        fsync: Fsync,
    },
}

/// How long and how much is kept. What runs is never removed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// An answer goes this long after its end. Default: 24 h.
    pub age: Duration,
    /// All logs together, in bytes of content; beyond it the answers that ended first go first. Default: 1 GiB.
    pub bytes: u64,
    /// No stream that a client made outlives this, however often its time to live is renewed. Default: 7 days.
    pub longest: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { age: 24 * hour, bytes: 1 << 30, longest: 7 * 24 * hour }
    }
}

/// The named bounds of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayLimits {
    /// The longest body of a request that is read whole, in bytes. Uploads of model files are passed on as they come. Default:
    /// 64 MiB.
    pub body_bytes: usize,
    /// The longest body of an append, in bytes. Default: 16 MiB.
    pub append_bytes: usize,
    /// How long a request's body may take. Default: 60 s.
    pub body_time: Duration,
    /// All headers of a request together, in bytes. Default: 32 KiB.
    pub header_bytes: u32,
    /// How long a request's head may take. Default: 30 s.
    pub header_time: Duration,
    /// Connections at once. Default: 4,096.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection. Default: 4,096.
    pub streams_per_connection: u32,
    /// Answers running at once; further ones wait for their turn. Default: 20,000.
    pub running: usize,
    /// Answers waiting for their turn, in the order in which they came; beyond it requests are refused. Default: 1,000.
    pub queued: usize,
    /// Streams kept. Default: 200,000.
    pub streams: usize,
    /// Readers of one stream at once. Default: 1,000.
    pub readers: usize,
    /// The longest log of one stream, in bytes. Default: 256 MiB.
    pub log_bytes: u64,
    /// A reader that had caught up and is now so far behind is let go, in bytes; it can come back at its offset. Default:
    /// 64 MiB.
    pub lag_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            append_bytes: 16 << 20,
            body_time: Duration::from_secs(60),
            header_bytes: 32 << 10,
            header_time: Duration::from_secs(30),
            connections: 4096,
            streams_per_connection: 4096,
            running: 20_000,
            queued: 1000,
            streams: 200_000,
            readers: 1000,
            log_bytes: 256 << 20,
            lag_bytes: 64 << 20,
        }
    }
}

/// Times of the relay's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long an answer that was not detached goes on without any reader. Default: 0.
    pub grace: Duration,
    /// How long running answers may go on once the relay is told to end. Default: 30 s.
    pub drain: Duration,
    /// A long poll is answered after this at the latest. Default: 20 s.
    pub long_poll: Duration,
    /// A reader of server-sent events is let go after this, to come again. Default: 60 s.
    pub sse: Duration,
    /// Silence after which a comment is sent to clients of OpenAI's dialect. Ollama's has nothing that could be sent. Default:
    /// 15 s.
    pub heartbeat: Duration,
    /// Time between two looks at each model server. Default: 10 s.
    pub health: Duration,
    /// The relay ends by itself when nothing ran and nobody was connected for so long. Default: never.
    pub idle_exit: Option<Duration>,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            grace: Duration::ZERO,
            drain: Duration::from_secs(30),
            long_poll: Duration::from_secs(20),
            sse: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            health: Duration::from_secs(10),
            idle_exit: None,
        }
    }
}
