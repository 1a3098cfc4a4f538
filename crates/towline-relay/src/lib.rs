//! Streams that survive their readers.
//!
//! A relay stands in front of model servers. To clients it is one of them: point `OLLAMA_HOST` at it. Every streamed answer is
//! recorded in a log as it comes, byte for byte, and any number of readers can read it at any offset, now or later. The
//! connection to the model server is the relay's own, so a reader that goes changes nothing for the others.
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
//! It never prints and never reads the environment. What it tells of itself goes through `tracing`, without prompts,
//! answers or secrets.
//!
//! | module | what |
//! |---|---|
//! | `store` | where bytes are kept: the trait, memory, disk, Redis |
//! | `log` | one stream's log: appends, cursors, and the writer that commits for all |
//! | `job` | a request to a model server, recorded; its orders and its terminal record |
//! | `upstream` | model servers: which gets a request, which are well |
//! | `recovery` | streams that a store had at the start, and their true ends |
//! | `shared` | several relays on one store: leases, the journal, what others run |
//! | `registry` | all streams by owner and id |
//! | `traces` | a span for each answer, for a collector |
//! | `access` | who may come in: tokens, hosts, pages |
//! | `devices` | browsers that came in by a link |
//! | `listen` | sockets, also those that are opened later, and TLS |
//! | `http` | what requests get: the front, streams, control, the page |
//! | `serve` | connections, an orderly end |
//!
//! The server is plain hyper with a match over paths: the routes are few and fixed, bodies are polled straight from the log,
//! and HTTP/2 needs settings that frameworks hide.

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
    Config, Fsync, Listen, MIN_SECRET_BYTES, NewSecret, NotAFsync, NotAPlace, NotAServer, OnAnswer,
    PastConversation, PastTurn, PastTurns, PlaceInHistory, RelayLimits, Retention, Role, Store, StoreConfig,
    Times, TlsFiles, Token, UpstreamApi, UpstreamConfig, UserHistory, WhenFull, bytes, moment,
};
pub use error::Error;
pub use id::{MAX_ID_BYTES, Owner, StreamId};
pub use serve::{Reloader, Report, Server};
pub use store::{Checked, NotRedis, RedisAddress, RedisError, StoreError, check as check_store};
