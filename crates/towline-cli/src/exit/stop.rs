//! Ctrl-C and SIGTERM: the first signal asks the command to end gracefully, the second ends it at once.

use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::exit::Exit;

/// The signal that asked the command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C (SIGINT).
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Stop {
    /// The reason, for display.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

/// The command's side of the stop signal.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Receiver<Option<Stop>>);

/// A stopper and the sender that triggers it.
pub fn channel() -> (watch::Sender<Option<Stop>>, Stopper) {
    let (sender, receiver) = watch::channel(None);
    (sender, Stopper(receiver))
}

impl Stopper {
    /// Waits until the command should end; returns at once if it already should.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn stopped(&mut self) -> Stop {
        loop {
            if let Some(stop) = *self.0.borrow_and_update() {
                return stop;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The signal that asked the command to end, if any.
    pub fn stop(&self) -> Option<Stop> {
        *self.0.borrow()
    }
}

/// Waits for the end of the command and passes signals on to it. After the first signal, the command may take
/// up to `grace`.
pub async fn watch(
    mut signals: Signals,
    grace: Duration,
    sender: watch::Sender<Option<Stop>>,
    mut finished: oneshot::Receiver<Exit>,
) -> Exit {
    let first = tokio::select! {
        exit = &mut finished => return exit.unwrap_or(Exit::Failed),
        stop = signals.next() => stop,
    };
    sender.send_replace(Some(first));
    tokio::select! {
        exit = &mut finished => exit.unwrap_or(Exit::Failed),
        _second = signals.next() => first.into(),
        () = tokio::time::sleep(grace) => first.into(),
    }
}

/// The signals that end a command.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Handles the signals from here on. Must be called inside a runtime. If this fails, a signal keeps its
    /// default effect.
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn next(&mut self) -> Stop {
        async fn one(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => Stop::Interrupted,
            () = one(&mut self.terminate) => Stop::Terminated,
        }
    }
}
