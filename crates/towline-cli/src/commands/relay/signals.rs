//! The signals that a relay handles in addition to those of every command.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalRequest {
    /// Drain and exit.
    End,
    /// Reload the configuration.
    Reload,
}

/// SIGQUIT drains the relay, SIGHUP reloads its configuration.
#[derive(Debug)]
pub struct Signals {
    quit: Signal,
    hang_up: Signal,
    /// A file at its size limit fails the write and does not end the process.
    _too_large: Signal,
}

impl Signals {
    /// Handles them from now on.
    ///
    /// # Errors
    /// If the operating system does not allow it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            _too_large: signal(SignalKind::from_raw(Number::XFSZ.as_raw()))?,
        })
    }

    /// Waits for one of them.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.quit.recv() => SignalRequest::End,
            _ = self.hang_up.recv() => SignalRequest::Reload,
        }
    }
}
