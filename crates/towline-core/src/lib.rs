//! The pure core of Towline: everything about a model stream that needs no I/O.
//!
//! | module | its one job |
//! |---|---|
//! | [`wire`] | body bytes → frames (NDJSON, SSE) |
//! | [`dialect`] | frames → events (Ollama, OpenAI) |
//! | [`stream`] | the lifecycle: what happened → events, then one outcome |
//! | [`api`] | requests and responses as typed data |
//! | [`host`], [`endpoint`], [`http1`] | where a server is, and HTTP/1.1 on the way there |
//! | [`guard`] | which `Host` and which `Origin` belong to this machine |
//! | [`job`], [`log`] | what a background job is doing, and what it has received |
//! | [`retry`] | when a request may be sent again |
//! | [`timeouts`], [`span`] | deadlines and limits; lengths of time as people read them |
//! | [`records`] | the records of a stream as the server sent them |
//! | [`event`], [`outcome`], [`error`] | what a stream yields, how it ended, what went wrong |
//!
//! No runtime, socket, clock, environment, file or thread: time comes in as a parameter, and every property is tested
//! by feeding bytes and time.

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
