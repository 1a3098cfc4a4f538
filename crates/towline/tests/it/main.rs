//! The library against real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic anywhere")]

mod engine;
