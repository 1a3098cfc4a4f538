//! The real binary against scripted servers.

#![allow(unreachable_pub, reason = "a test binary has no outside; pub means shared between modules")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod bench;
#[cfg(target_os = "linux")]
mod demo;
mod endings;
mod help;
mod input;
mod json;
mod models;
mod program;
#[cfg(unix)]
mod prompt_plain;
#[cfg(unix)]
mod prompt_terminal;
#[cfg(unix)]
mod pty;
mod relay;
mod serve;
mod servers;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod term_block;
#[cfg(target_os = "linux")]
mod term_keys;
#[cfg(target_os = "linux")]
mod term_signals;
#[cfg(unix)]
mod terminal;
