//! Streams that survive their readers: through a relay.
//!
//! A client whose [`Config::via`](crate::Config::via) is [`Via::Relay`] hands each stream to a relay (`towline relay`),
//! which runs it and records it, and reads the record. After a cut it reconnects and resumes the stream at the same
//! byte; [`Stats::reconnects`](crate::outcome::Stats::reconnects) says how often. Dropping a stream leaves
//! it running on the relay; [`Stream::cancel`](crate::Stream::cancel) and the timeouts stop it there.
//! [`Client::attach`](crate::Client::attach) reads a stream that another program, or this one in an earlier life, has
//! started. [`Control`] lists and controls what the relay runs.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use towline::relay::{RelayConfig, Start, Via};
//! use towline::{ChatRequest, Client, client::host, Config};
//!
//! let relay = host::parse("unix:/run/user/1000/towline/relay.sock")?;
//! let client = Client::with_config(relay, Config { via: Via::Relay(RelayConfig::default()), ..Config::default() })?;
//! let mut stream = client.chat(ChatRequest::new("llama3.2").user("What is a river?"));
//! stream.next().await;
//! let id = stream.relay_id().map(str::to_owned).unwrap_or_default();
//! drop(stream); // It continues there.
//! let answer = client.attach(&id, Start::Beginning).text().await?;
//! # Ok(()) }
//! ```
//!
//! | file | its one job |
//! |---|---|
//! | `config` | what a client can be told about its relay |
//! | `wire` | the names, ids and offsets of the relay's interface |
//! | `submit` | handing over a request, or finding a stream to attach to |
//! | `tail` | the bytes of a stream's log, whatever happens to connections |
//! | `pump` | the task that fetches them |
//! | `backoff` | how long to wait before the next try |
//! | `skip` | finding the beginning of a record |
//! | `orders` | telling the relay about cancel, deadline and pause |
//! | `job` | a relay's job, as it tells it |
//! | `control` | the calls that look at jobs and control them |
//! | `watch` | the jobs as they change |
//! | `own` | the relay of this user: where it is, starting it |

mod backoff;
mod config;
mod control;
mod job;
mod orders;
mod own;
mod pump;
mod skip;
mod submit;
mod tail;
mod watch;
mod wire;

pub use config::{READER_TIMEOUTS, Reconnect, RelayConfig, Via};
pub use control::{Control, Device, Filter, JobLog, Paired, Pairing, RelayServer, RelayVersion};
pub use job::{AnswerState, Job};
pub use own::{LaunchError, OwnRelay};
pub use submit::Start;
pub use watch::{Change, Watch};

pub(crate) use orders::{Confirming, Orders, cancel_unaccepted};
pub(crate) use skip::Skip;
pub(crate) use submit::{Accepted, Answer, Attach, Submission, Submitting, attach, submit};
pub(crate) use tail::{Tail, Tailed};
pub(crate) use wire::{SERVER, SERVER_RUNNING, StreamId};
