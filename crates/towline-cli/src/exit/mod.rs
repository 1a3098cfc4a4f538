//! Exit statuses: the only mapping from endings to exit codes.

pub mod failure;
pub mod stop;

use towline::error::ErrorKind;
use towline::{Ending, Error};

use crate::exit::stop::Stop;

/// How a command ended, for the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success; also if the reader of a pipe has closed it.
    Completed,
    /// The server, the network or the protocol failed.
    Failed,
    /// A usage error.
    Usage,
    /// The answer ended before its terminal record.
    Truncated,
    /// A time limit expired.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// The status.
    pub fn code(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Truncated => 3,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The first of the two that is not success.
    #[must_use]
    pub fn or(self, later: Self) -> Self {
        if self == Self::Completed { later } else { self }
    }
}

impl From<Stop> for Exit {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Interrupted => Self::Interrupted,
            Stop::Terminated => Self::Terminated,
        }
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error.kind {
            ErrorKind::InvalidRequest => Self::Usage,
            ErrorKind::Truncated => Self::Truncated,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Cancelled => Self::Interrupted,
            ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::ConnectionLost
            | ErrorKind::Rejected
            | ErrorKind::Unauthorized
            | ErrorKind::NotFound
            | ErrorKind::Server
            | ErrorKind::Busy
            | ErrorKind::Protocol
            | ErrorKind::Limit
            | ErrorKind::Redirect
            | ErrorKind::Task => Self::Failed,
        }
    }
}

/// The status for a stream's ending; `stop` is the signal that cancelled it, if one did.
pub fn of_ending(ending: &Ending, stop: Option<Stop>) -> Exit {
    match ending {
        Ending::Completed(_) => Exit::Completed,
        Ending::Truncated(_) => Exit::Truncated,
        Ending::TimedOut { .. } => Exit::TimedOut,
        Ending::Cancelled { .. } => stop.map_or(Exit::Interrupted, Exit::from),
        Ending::Failed(error) => Exit::from(error),
    }
}
