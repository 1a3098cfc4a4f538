//! The built-in model from outside, over sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers;
mod client;
mod limits;
mod listing;
mod openai;
mod server;
mod weights;
