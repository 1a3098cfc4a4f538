//! What a relay can be told, in a program or by a file: the same types are both.
//!
//! In a file lengths of time are texts as `30s`, `1m30s` or `none`, numbers of bytes as `512M` or `2G`. No error repeats a value:
//! it may be a secret in a wrong place.

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
pub use self::places::{Listen, NotAPlace, Store};
pub use self::token::{MIN_SECRET_BYTES, NewSecret, Role, Token};
pub(crate) use self::token::{Roles, secret_in};
pub use self::units::{bytes, moment};
pub use self::upstream::{NotAServer, UpstreamApi, UpstreamConfig};

/// Everything a relay can be told. Build it with `..Config::default()`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where it listens. An address beyond loopback needs tokens and TLS. Default: nowhere, which is refused.
    pub listen: Vec<Listen>,
    /// Sockets that are open already, such as systemd passes on. They are used where `listen` names their addresses; without `listen`
    /// the relay listens on all of them. Default: none.
    #[serde(skip)]
    pub sockets: Vec<Arc<OwnedFd>>,
    /// Who may come over TCP. With none, anybody who reaches a loopback address. Default: none.
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
    /// Certificate and key for TCP, PEM. With them every TCP address speaks TLS only. Default: none.
    pub tls: Option<TlsFiles>,
    /// Host names, beside the local ones, under which it is reached. Default: none.
    pub hosts: Vec<String>,
    /// Web origins, beside local ones, whose pages may use it, as `https://chat.example`. Default: none.
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
    /// How long parts of an upstream's answer may take.
    #[serde(deserialize_with = "units::timeouts")]
    pub timeouts: Timeouts,
    /// The named bounds.
    pub limits: RelayLimits,
    /// Times of the relay's own.
    pub times: Times,
    /// The collector that gets a span of each answer, as OTLP over HTTP in JSON at `/v1/traces`. Default: none.
    pub traces: Option<UpstreamConfig>,
    /// Who is told of the answers' beginnings and ends. Default: nobody.
    #[serde(skip)]
    pub on_answer: Option<OnAnswer>,
    /// The history of the user that the relay runs as, for this user's page alone. Default: none.
    #[serde(skip)]
    pub history: Option<Arc<dyn UserHistory>>,
}

impl Config {
    /// The part of a whole that one owner may take: at least 1, and all of it where there is no other.
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
    /// The certificate, and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where and how logs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [store]")]
pub struct StoreConfig {
    /// Where. Default: in memory; in a file without the key, in the user's own folder.
    #[serde(rename = "folder", alias = "url", default = "Store::own")]
    pub place: Store,
    /// When what was written is made to survive the end of the machine. Default: every second.
    pub fsync: Fsync,
    /// Bytes of the file system that the store leaves free; with less it is full. Default: 48 MiB.
    #[serde(deserialize_with = "units::size")]
    pub reserve: u64,
    /// What becomes of requests whose answers cannot be recorded, since the store is full. Default: they are refused.
    pub full: WhenFull,
    /// Redis: replicas that have what is written before readers see it (`WAIT`). Default: 0.
    pub replicas: usize,
    /// Redis: a file whose content is the password. Default: the password of the address.
    pub password_file: Option<PathBuf>,
    /// Redis: certificates (PEM) that vouch for the server. Default: those that browsers know.
    pub ca: Option<PathBuf>,
}

/// What becomes of a request while the store is full.
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

/// How long and how much is kept. What runs is never removed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [keep]")]
pub struct Retention {
    /// An answer is deleted this long after its end. Default: 24 h.
    #[serde(deserialize_with = "units::time")]
    pub age: Duration,
    /// All logs together, in bytes of content; beyond it the answers that ended first are deleted first. Default: 1 GiB.
    #[serde(deserialize_with = "units::size")]
    pub bytes: u64,
    /// No stream that a client made outlives this, however often its time to live is renewed. Default: 7 days.
    #[serde(deserialize_with = "units::time")]
    pub longest: Duration,
    /// Whether each answer's request is kept as long as the answer, so that it can be asked again. Default: true.
    pub requests: bool,
}

impl Default for Retention {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { age: 24 * hour, bytes: 1 << 30, longest: 7 * 24 * hour, requests: true }
    }
}

/// The named bounds of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a table [limits]")]
pub struct RelayLimits {
    /// The longest body of a request that is read whole, in bytes. Uploads of model files are passed on as they come. Default:
    /// 64 MiB.
    #[serde(rename = "body", deserialize_with = "units::size")]
    pub body_bytes: usize,
    /// The bodies of all requests that are read whole and not sent on yet, in bytes; those that wait for their turn too. Default:
    /// 512 MiB.
    #[serde(rename = "bodies", deserialize_with = "units::size")]
    pub bodies_bytes: usize,
    /// The longest request that is kept with its answer, in bytes; it counts to what is kept. Default: 1 MiB.
    #[serde(rename = "request", deserialize_with = "units::size")]
    pub request_bytes: usize,
    /// The longest body of an append, in bytes. Default: 16 MiB.
    #[serde(rename = "append", deserialize_with = "units::size")]
    pub append_bytes: usize,
    /// How long a request's body may take. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub body_time: Duration,
    /// All headers of a request together, in bytes. Default: 32 KiB.
    #[serde(rename = "headers", deserialize_with = "units::size")]
    pub header_bytes: u32,
    /// How long a request's head may take. Default: 30 s.
    #[serde(deserialize_with = "units::time")]
    pub header_time: Duration,
    /// How long a connection may stay open on which nothing is asked and answered. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub idle_time: Duration,
    /// Connections at once, at each place where the relay listens. Default: 4,096.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection. Default: 4,096.
    pub streams_per_connection: u32,
    /// Answers running at once; further ones wait for their turn. Default: 20,000.
    pub running: usize,
    /// Answers waiting for their turn, in the order in which they came; beyond it requests are refused. Default: 1,000.
    pub queued: usize,
    /// Answers of groups waiting for their turn, beside `queued`; beyond it requests of groups are refused. Default: 10,000.
    pub grouped: usize,
    /// Streams kept; for a new one the answers that ended first are deleted. Default: 200,000.
    pub streams: usize,
    /// The share of `running`, `queued`, `grouped`, `streams` and of the bytes kept that one owner may take, in percent, where there are
    /// several. Default: 50.
    pub share: usize,
    /// Readers of one stream at once. Default: 1,000.
    pub readers: usize,
    /// The longest log of one stream, in bytes. Default: 256 MiB.
    #[serde(rename = "log", deserialize_with = "units::size")]
    pub log_bytes: u64,
    /// A reader that had caught up and is now so far behind is let go, in bytes; it can come back at its offset. Default:
    /// 64 MiB.
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
    /// How long an answer that was not detached runs without any reader. Default: 0.
    #[serde(deserialize_with = "units::time")]
    pub grace: Duration,
    /// How long running answers may take to finish once the relay shuts down. Default: 30 s.
    #[serde(deserialize_with = "units::time")]
    pub drain: Duration,
    /// A long poll is answered after this at the latest. Default: 20 s.
    #[serde(deserialize_with = "units::time")]
    pub long_poll: Duration,
    /// A reader of server-sent events is let go after this, to come again. Default: 60 s.
    #[serde(deserialize_with = "units::time")]
    pub sse: Duration,
    /// Silence after which clients that asked for server-sent events are sent a comment, before the head of the model
    /// server's answer too. Default: 15 s.
    #[serde(deserialize_with = "units::time")]
    pub heartbeat: Duration,
    /// The same for clients of Ollama's dialect, which are sent an empty line. Ollama's own client and its Python library take
    /// it for a broken record. Default: none.
    #[serde(deserialize_with = "units::optional_time")]
    pub heartbeat_lines: Option<Duration>,
    /// Time between two looks at each model server. Default: 10 s.
    #[serde(deserialize_with = "units::time")]
    pub health: Duration,
    /// The relay ends by itself when nothing ran and nobody was connected for so long. Default: never.
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
