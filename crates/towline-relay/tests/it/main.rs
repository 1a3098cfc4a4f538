//! The relay from outside: real sockets, scripted model servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]
#![expect(clippy::disallowed_methods, reason = "tests start what they test")]

mod agents;
mod backup;
mod choose;
mod connections;
mod control;
mod crash;
mod front;
mod full;
mod metrics;
mod ollama;
mod openapi;
mod process;
mod queue;
mod record;
mod scale;
mod streams;
mod support;
mod tls;
mod tokens;
mod traces;
