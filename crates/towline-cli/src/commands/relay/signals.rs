//! Signals that a relay takes besides those that every command takes.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// An orderly end.
    End,
    /// To read the configuration again.
    Reload,
}

/// SIGQUIT ends it in order, SIGHUP has it read its configuration again.
#[derive(Debug)]
pub struct Signals {
    quit: Signal,
    hang_up: Signal,
    /// A file that may not grow further is an error of its write, and no end of the process.
    _too_large: Signal,
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// When the system does not allow it.
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
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.quit.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}
