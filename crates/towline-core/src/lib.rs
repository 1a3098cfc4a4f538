//! The pure core of Towline: everything about a model stream that needs no I/O.
//!
//! | module | its one job |
//! |---|---|
//! | [`wire`] | body bytes → frames (NDJSON, SSE) |
//! | [`dialect`] | frames → events (Ollama, OpenAI) |
//! | [`stream`] | the lifecycle: inputs → events, then one outcome |
//! | [`api`] | requests and responses as typed data |
//! | [`host`], [`endpoint`], [`http1`] | the address of a server, and HTTP/1.1 |
//! | [`guard`] | whether a `Host` or an `Origin` belongs to this machine |
//! | [`job`], [`log`] | the state of a background job, and the log of its events |
//! | [`retry`] | when a request may be retried |
//! | [`timeouts`], [`span`] | deadlines and limits; durations in readable form |
//! | [`records`] | the records of a stream as the server sent them |
//! | [`event`], [`outcome`], [`error`] | what a stream yields, how it ended, what went wrong |
//!
//! This crate uses no runtime, socket, clock, environment, file or thread: time is a parameter, and tests
//! check every property by feeding bytes and time.

pub mod api;
pub mod dialect;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod guard;
pub mod host;
pub mod http1;
pub mod job;
mod json;
pub mod log;
pub mod outcome;
mod page;
mod quote;
pub mod records;
pub mod retry;
pub mod span;
pub mod stream;
pub mod timeouts;
pub mod wire;
