//! The failure of a command, for people.

use std::fmt;
use std::future::Future;

use towline::Error;
use towline_app::history::HistoryError;
use towline_app::servers::ServerError;

use crate::exit::Exit;
use crate::exit::stop::{Stop, Stopper};
use crate::output::{self, WriteError};

/// Why a command ended without its result.
#[derive(Debug)]
pub enum Failure {
    /// A usage error.
    Usage(Complaint),
    /// A request failed.
    Request(Complaint, Exit),
    /// Something on this machine failed.
    Local(Complaint),
    /// Standard output cannot be written.
    Output(WriteError),
    /// A signal ended it.
    Stopped(Stop),
}

/// A message and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, naming the input.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl Complaint {
    /// A message without hints.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    /// The same message with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same message, with a hint about an address that is in use.
    #[cfg(any(feature = "model", feature = "relay"))]
    #[must_use]
    pub fn hint_free_port(self) -> Self {
        self.hint("another program already listens there; --listen 127.0.0.1:0 takes any free port")
    }

    /// Prints it to standard error.
    fn print(&self) {
        output::error(&self.message);
        for text in &self.hints {
            output::hint(text);
        }
    }
}

impl Failure {
    /// A usage error.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Complaint::new(message))
    }

    /// A usage error with a hint.
    pub fn usage_with(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(Complaint::new(message).hint(hint))
    }

    /// Prints it, and returns the exit status.
    pub fn report(&self) -> Exit {
        match self {
            Self::Usage(complaint) => {
                complaint.print();
                Exit::Usage
            }
            Self::Request(complaint, exit) => {
                complaint.print();
                *exit
            }
            Self::Local(complaint) => {
                complaint.print();
                Exit::Failed
            }
            // The reader has closed the pipe, which is not an error.
            Self::Output(WriteError::Closed) => Exit::Completed,
            Self::Output(WriteError::Failed(error)) => {
                output::error(&format!("standard output cannot be written: {error}"));
                Exit::Failed
            }
            Self::Stopped(stop) => {
                output::note(stop.reason());
                Exit::from(*stop)
            }
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let complaint = Complaint { message: error.message, hints: error.hint.into_iter().collect() };
        if error.is_usage { Self::Usage(complaint) } else { Self::Local(complaint) }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let complaint = Complaint::new(error.to_string());
        match error {
            HistoryError::Missing(_) => {
                Self::Usage(complaint.hint("towline history lists the conversations"))
            }
            HistoryError::Ambiguous(..) | HistoryError::BadName(_) | HistoryError::Taken(_) => {
                Self::Usage(complaint)
            }
            HistoryError::Session(_)
            | HistoryError::Record(_)
            | HistoryError::Database(_)
            | HistoryError::Io(_) => Self::Local(complaint),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(complaint) | Self::Request(complaint, _) | Self::Local(complaint) => {
                f.write_str(&complaint.message)
            }
            Self::Output(WriteError::Closed) => f.write_str("standard output was closed"),
            Self::Output(WriteError::Failed(error)) => {
                write!(f, "standard output cannot be written: {error}")
            }
            Self::Stopped(stop) => f.write_str(stop.reason()),
        }
    }
}

impl std::error::Error for Failure {}

/// A request's result, unless a signal arrives first, which closes the connection.
pub async fn unless_stopped<T>(
    request: impl Future<Output = Result<T, Error>>,
    stopper: &mut Stopper,
) -> Result<Result<T, Error>, Failure> {
    tokio::select! {
        stop = stopper.stopped() => Err(Failure::Stopped(stop)),
        result = request => Ok(result),
    }
}

/// An error with its causes.
#[cfg(any(feature = "model", feature = "relay"))]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
