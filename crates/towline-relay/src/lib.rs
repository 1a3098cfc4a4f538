//! Streams that survive their readers.
//!
//! A relay runs in front of model servers and behaves like one: point `OLLAMA_HOST` at it. It records every
//! streamed answer in a log as it arrives, byte for byte, and any number of readers can read it from any
//! offset, now or later. The connection to the model server belongs to the relay, so a reader that
//! disconnects does not affect the others.
//!
//! ```no_run
//! # async fn example() -> Result<(), towline_relay::Error> {
//! use towline_relay::{Config, Listen, Server, UpstreamApi, UpstreamConfig};
//!
//! let upstream = UpstreamConfig::new(towline::client::Endpoint::http("127.0.0.1", 11434), UpstreamApi::Ollama);
//! let config = Config {
//!     listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
//!     upstreams: vec![upstream],
//!     ..Config::default()
//! };
//! let server = Server::bind(config).await?;
//! server.run(async { /* ready when it is time to end */ }).await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate never prints and never reads the environment. It logs through `tracing`, without prompts,
//! answers or secrets.
//!
//! | module | content |
//! |---|---|
//! | `store` | stores for bytes: the trait, memory, disk, Redis |
//! | `log` | one stream's log: appends, cursors, and the writer that commits for all |
//! | `job` | a recorded request to a model server; its orders and its terminal record |
//! | `upstream` | model servers: selection and health checks |
//! | `recovery` | streams that a store has at the start, and their outcomes |
//! | `shared` | several relays on one store: leases, the journal, the jobs of other relays |
//! | `registry` | all streams by owner and id |
//! | `traces` | a span for each answer, for a collector |
//! | `access` | access control: tokens, hosts, web pages |
//! | `devices` | browsers that signed in with a link |
//! | `listen` | listening sockets, also those that open later, and TLS |
//! | `http` | request handling: the front, streams, control, the page |
//! | `serve` | connections and shutdown |
//!
//! The server uses hyper directly, with a match over paths: the routes are few and fixed, bodies are polled
//! directly from the log, and HTTP/2 needs settings that frameworks hide.

mod access;
mod config;
mod devices;
mod error;
mod housekeeping;
mod http;
mod id;
mod job;
mod listen;
mod log;
mod meta;
mod metrics;
mod offset;
mod quota;
mod recovery;
mod registry;
mod relay;
mod secret;
mod serve;
mod shared;
mod store;
mod tasks;
#[doc(hidden)]
pub mod testing;
mod traces;
mod upstream;

pub use config::{
    BadListenAddress, Config, Fsync, Listen, MIN_SECRET_BYTES, NewSecret, NotAFsync, NotAServer, OnAnswer,
    PastConversation, PastTurn, PastTurns, PlaceInHistory, RelayLimits, Retention, Role, Store, StoreConfig,
    Times, TlsFiles, Token, UpstreamApi, UpstreamConfig, UserHistory, WhenFull, bytes, moment,
};
pub use error::Error;
pub use id::{MAX_ID_BYTES, Owner, StreamId};
pub use serve::{Reloader, Report, Server};
pub use store::{Checked, NotRedis, RedisAddress, RedisError, StoreError, check as check_store};
