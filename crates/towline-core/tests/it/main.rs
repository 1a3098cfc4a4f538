//! The pure core, tested by feeding bytes and time.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod after_the_end;
mod api;
mod bounds;
mod captured;
mod chunks;
mod corpus;
mod dialect;
mod errors;
mod host;
mod log;
mod model;
mod operations;
mod plain;
mod prefixes;
mod records;
mod relayed;
mod retry;
mod support;
mod template;
mod timeouts;
mod understood;
mod wire;
