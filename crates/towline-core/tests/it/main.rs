//! The pure core, tested by feeding bytes and time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chunks;
mod corpus;
mod prefixes;
mod support;
