//! Streams through a relay, which survive their readers.
//!
//! A client whose [`Config::via`](crate::Config::via) is [`Via::Relay`] sends each request to a relay
//! (`towline relay`), which runs the stream and records it in a log, and reads that log. After a cut it
//! reconnects and resumes the stream at the same byte;
//! [`Stats::reconnects`](crate::outcome::Stats::reconnects) says how often. Dropping a stream leaves it
//! running on the relay; [`Stream::cancel`](crate::Stream::cancel) and the timeouts stop it there.
//! [`Client::attach`](crate::Client::attach) reads a stream that another program, or an earlier run of this
//! program, has started. [`Control`] lists and controls the jobs of the relay.
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
//! | `wire` | the names, ids and offsets of the relay's interface |
//! | `submit` | submits a request, or finds a stream to attach to |
//! | `tail` | the bytes of a stream's log, across reconnects |
//! | `pump` | the task that fetches these bytes |
//! | `backoff` | the wait before the next attempt |
//! | `skip` | finds the beginning of a record |
//! | `orders` | sends cancel, deadline and pause to the relay |
//! | `job` | a relay's job, as the relay describes it |
//! | `control` | the calls that list and control jobs |
//! | `watch` | changes of the jobs |
//! | `own` | the relay of this user: finds and starts it |

mod backoff;
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

pub use control::{Control, Device, Filter, JobLog, Paired, Pairing, RelayServer, RelayVersion};
pub use job::{AnswerState, Job};
pub use own::{LaunchError, OwnRelay};
pub use submit::Start;
pub use watch::{Change, Watch};

pub use crate::via::{READER_TIMEOUTS, Reconnect, RelayConfig, Via};

pub(crate) use orders::{Confirming, OrderSender, cancel_unaccepted};
pub(crate) use skip::Skip;
pub(crate) use submit::{Accepted, Answer, Attach, Submission, Submitting, attach, submit};
pub(crate) use tail::{Tail, Tailed};
pub(crate) use wire::StreamId;
