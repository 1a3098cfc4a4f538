//! The real binary against scripted servers.

#![allow(unreachable_pub, reason = "a test binary has no outside; pub means shared between modules")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod bench;
mod endings;
mod help;
mod input;
mod json;
mod models;
mod program;
#[cfg(unix)]
mod prompt;
#[cfg(unix)]
mod pty;
#[cfg(unix)]
mod relay;
#[cfg(unix)]
mod relay_cuts;
#[cfg(unix)]
mod relay_jobs;
mod serve;
mod servers;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod term;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod wire;
