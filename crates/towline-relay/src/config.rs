//! The configuration of a relay. The same types serve programs and configuration files.
//!
//! In a file, durations are texts such as `30s`, `1m30s` or `none`, and sizes such as `512M` or `2G`. No
//! error repeats a value, because it may be a misplaced secret.

mod fsync;
mod hook;
mod places;
mod token;
mod units;
mod upstream;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use towline::client::Timeouts;

pub use self::fsync::{Fsync, NotAFsync};
pub use self::hook::{OnAnswer, PastConversation, PastTurn, PastTurns, PlaceInHistory, UserHistory};
pub use self::places::{BadListenAddress, Listen, Store};
pub use self::token::{MIN_SECRET_BYTES, NewSecret, Role, Token};
pub(crate) use self::token::{Roles, secret_in};
pub use self::units::{bytes, moment};
pub use self::upstream::{NotAServer, UpstreamApi, UpstreamConfig};

/// The configuration of a relay. Build it with `..Config::default()`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The addresses on which it listens. An address beyond loopback needs tokens and TLS. Default: none,
    /// which is refused.
    pub listen: Vec<Listen>,
    /// Sockets that are already open, for example passed by systemd. They are used if `listen` names their
    /// addresses; without `listen` the relay listens on all of them. Default: none.
    #[serde(skip)]
    pub sockets: Vec<Arc<OwnedFd>>,
    /// The tokens for TCP. Without tokens, everybody who can reach a loopback address has access. Default:
    /// none.
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
    /// Certificate and key for TCP, in PEM. With them, every TCP address speaks only TLS. Default: none.
    pub tls: Option<TlsFiles>,
    /// Accepted host names in addition to the local ones. Default: none.
    pub hosts: Vec<String>,
    /// Web origins, in addition to local ones, whose pages may use it, for example `https://chat.example`.
    /// Default: none.
    pub origins: Vec<String>,
    /// The model servers. Default: none, which is refused.
    #[serde(rename = "upstream")]
    pub upstreams: Vec<UpstreamConfig>,
    /// Where logs are kept.
    #[serde(default = "StoreConfig::own")]
    pub store: StoreConfig,
    /// How long and how much is kept.
    #[serde(rename = "keep")]
    pub retention: Retention,
    /// The time limits of an upstream's answer.
    #[serde(deserialize_with = "units::timeouts")]
    pub timeouts: Timeouts,
    /// The named bounds.
    pub limits: RelayLimits,
    /// Times of the relay's own.
    pub times: Times,
    /// The collector that gets a span of each answer, as OTLP over HTTP in JSON at `/v1/traces`. Default: none.
    pub traces: Option<UpstreamConfig>,
    /// The callback for the starts and ends of answers. Default: none.
    #[serde(skip)]
    pub on_answer: Option<OnAnswer>,
    /// The history of the user that the relay runs as, only for this user's page. Default: none.
    #[serde(skip)]
    pub history: Option<Arc<dyn UserHistory>>,
}

impl Config {
    /// The part of a whole that one owner may take: at least 1, and all of it if there is no other owner.
    pub(crate) fn share_of(&self, whole: u64) -> u64 {
        let first = self.tokens.first().map(|token| &token.owner);
        let is_alone = self.tokens.iter().all(|token| Some(&token.owner) == first);
        if is_alone {
            return whole;
        }
        let share = u128::from(whole) * self.limits.share.min(100) as u128 / 100;
        u64::try_from(share).unwrap_or(whole).max(1)
    }
}

/// Files for TLS, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(expecting = "a table [tls]")]
pub struct TlsFiles {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where and how logs are stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [store]")]
pub struct StoreConfig {
    /// The location. Default: in memory; in a file without the key, in the user's own folder.
    #[serde(rename = "folder", alias = "url", default = "Store::own")]
    pub place: Store,
    /// When written data is synced to the disk. Default: every second.
    pub fsync: Fsync,
    /// Bytes of the file system that the store leaves free; with less, it counts as full. Default: 48 MiB.
    #[serde(deserialize_with = "units::size")]
    pub reserve: u64,
    /// What happens to requests while the store is full. Default: they are refused.
    pub full: WhenFull,
    /// Redis: the number of replicas that must have a write before readers see it (`WAIT`). Default: 0.
    pub replicas: usize,
    /// Redis: a file that contains the password. Default: the password in the address.
    pub password_file: Option<PathBuf>,
    /// Redis: certificate authorities (PEM) for the server. Default: the usual public ones.
    pub ca: Option<PathBuf>,
}

/// What happens to a request while the store is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// It is refused with 507.
    #[default]
    Refuse,
    /// It is passed on, and its answer is not recorded. A detached one is refused.
    Pass,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            place: Store::default(),
            fsync: Fsync::default(),
            reserve: 48 << 20,
            full: WhenFull::default(),
            replicas: 0,
            password_file: None,
            ca: None,
        }
    }
}

impl StoreConfig {
    fn own() -> Self {
        Self { place: Store::Own, ..Self::default() }
    }
}

/// How long and how much is kept. Running answers are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [keep]")]
pub struct Retention {
    /// An answer is deleted this long after its end. Default: 24 h.
    #[serde(deserialize_with = "units::time")]
    pub age: Duration,
    /// The size of all logs together, in bytes of content; beyond it, the answers that ended first are
    /// deleted first. Default: 1 GiB.
    #[serde(deserialize_with = "units::size")]
    pub bytes: u64,
    /// The longest life of a stream that a client created, however often its time to live is renewed.
    /// Default: 7 days.
    #[serde(deserialize_with = "units::time")]
    pub longest: Duration,
    /// Whether each answer's request is kept as long as the answer, so that it can be retried. Default: true.
    pub requests: bool,
}

impl Default for Retention {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { age: 24 * hour, bytes: 1 << 30, longest: 7 * 24 * hour, requests: true }
    }
}

/// The named limits of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [limits]")]
pub struct RelayLimits {
    /// The maximum size of a request body that is read as a whole, in bytes. Uploads of model files are
    /// streamed. Default: 64 MiB.
    #[serde(rename = "body", deserialize_with = "units::size")]
    pub body_bytes: usize,
    /// The total size of all request bodies that are in memory and not sent on yet, including those of queued
    /// requests, in bytes. Default: 512 MiB.
    #[serde(rename = "bodies", deserialize_with = "units::size")]
    pub bodies_bytes: usize,
    /// The maximum size of a request that is kept with its answer, in bytes; it counts towards the kept
    /// bytes. Default: 1 MiB.
    #[serde(rename = "request", deserialize_with = "units::size")]
    pub request_bytes: usize,
    /// The maximum size of an append, in bytes. Default: 16 MiB.
    #[serde(rename = "append", deserialize_with = "units::size")]
    pub append_bytes: usize,
    /// How long a request's body may take. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub body_time: Duration,
    /// The maximum size of all headers of a request, in bytes. Default: 32 KiB.
    #[serde(rename = "headers", deserialize_with = "units::size")]
    pub header_bytes: u32,
    /// How long a request's head may take. Default: 30 s.
    #[serde(deserialize_with = "units::time")]
    pub header_time: Duration,
    /// How long a connection may stay open without a request. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub idle_time: Duration,
    /// The maximum number of connections at once, for each address on which the relay listens. Default:
    /// 4,096.
    pub connections: usize,
    /// The maximum number of concurrent requests on one HTTP/2 connection. Default: 4,096.
    pub streams_per_connection: u32,
    /// The maximum number of running answers; further ones are queued. Default: 20,000.
    pub running: usize,
    /// The maximum number of queued answers; beyond it, requests are refused. Default: 1,000.
    pub queued: usize,
    /// The maximum number of queued answers of groups, in addition to `queued`; beyond it, requests of groups
    /// are refused. Default: 10,000.
    pub grouped: usize,
    /// The maximum number of streams; for a new one, the answers that ended first are deleted. Default:
    /// 200,000.
    pub streams: usize,
    /// The share of `running`, `queued`, `grouped`, `streams` and of the kept bytes that one of several
    /// owners may take, in percent. Default: 50.
    pub share: usize,
    /// The maximum number of readers of one stream. Default: 1,000.
    pub readers: usize,
    /// The maximum size of the log of one stream, in bytes. Default: 256 MiB.
    #[serde(rename = "log", deserialize_with = "units::size")]
    pub log_bytes: u64,
    /// A reader that had caught up and has since fallen this far behind is disconnected, in bytes; it can
    /// reconnect at its offset. Default: 64 MiB.
    #[serde(rename = "lag", deserialize_with = "units::size")]
    pub lag_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            bodies_bytes: 512 << 20,
            request_bytes: 1 << 20,
            append_bytes: 16 << 20,
            body_time: Duration::from_secs(60),
            header_bytes: 32 << 10,
            header_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            connections: 4096,
            streams_per_connection: 4096,
            running: 20_000,
            queued: 1000,
            grouped: 10_000,
            streams: 200_000,
            share: 50,
            readers: 1000,
            log_bytes: 256 << 20,
            lag_bytes: 64 << 20,
        }
    }
}

/// Times of the relay's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [times]")]
pub struct Times {
    /// How long an answer that is not detached runs without a reader. Default: 0.
    #[serde(deserialize_with = "units::time")]
    pub grace: Duration,
    /// How long running answers may take to finish once the relay shuts down. Default: 30 s.
    #[serde(deserialize_with = "units::time")]
    pub drain: Duration,
    /// The longest duration of a long poll. Default: 20 s.
    #[serde(deserialize_with = "units::time")]
    pub long_poll: Duration,
    /// How long a reader of server-sent events stays connected before it has to reconnect. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub sse: Duration,
    /// The silence after which clients of server-sent events receive a comment, also before the head of the
    /// model server's answer. Default: 15 s.
    #[serde(deserialize_with = "units::time")]
    pub heartbeat: Duration,
    /// The same for clients of Ollama's dialect, which receive an empty line. Ollama's own client and its
    /// Python library treat it as a broken record. Default: none.
    #[serde(deserialize_with = "units::optional_time")]
    pub heartbeat_lines: Option<Duration>,
    /// The time between two health checks of each model server. Default: 10 s.
    #[serde(deserialize_with = "units::time")]
    pub health: Duration,
    /// The time without answers and connections after which the relay exits. Default: never.
    #[serde(rename = "exit_when_idle", deserialize_with = "units::optional_time")]
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
            heartbeat_lines: None,
            health: Duration::from_secs(10),
            idle_exit: None,
        }
    }
}
