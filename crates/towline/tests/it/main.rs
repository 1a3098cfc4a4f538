//! The library from outside: the client and the engine against real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod blocking;
mod captured;
mod client_descriptors;
mod client_dialects;
mod client_endings;
mod client_lifetime;
mod client_limits;
mod client_refusals;
mod client_retries;
mod client_schema;
mod client_secrets;
mod client_support;
mod client_timeouts;
mod client_transport;
mod client_wakes;
mod endpoints;
mod engine;
mod records;
mod relay;
mod resume;
