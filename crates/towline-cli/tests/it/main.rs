//! The real binary against scripted servers.

#![allow(unreachable_pub, reason = "a test binary has no outside; pub means shared between modules")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot continue fails its test")]

mod batch;
mod bench;
mod endings;
mod help;
mod history;
mod input;
mod json;
mod models;
mod program;
mod prompt;
mod pty;
mod relay;
mod relay_cuts;
mod relay_jobs;
mod relay_operations;
mod serve;
mod servers;
mod signals;
#[cfg(target_os = "linux")]
mod term;
mod terminal;
mod wire;
