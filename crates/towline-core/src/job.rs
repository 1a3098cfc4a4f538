//! The state of a job, and its deadline, which can change while it runs.

use std::fmt;
use std::time::{Duration, Instant};

use crate::outcome::Ending;
use crate::stream::Phase;

/// The state of a job. Each state is true while it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Queued: it has not started yet.
    Queued,
    /// A stream without a connection yet.
    Connecting,
    /// A stream that has sent its request and has received nothing yet.
    Waiting,
    /// A stream that is receiving.
    Streaming,
    /// A running task that is not a stream.
    Running,
    /// Not reading until it is unpaused. A server may continue to generate into its buffers.
    Paused,
    /// Cancelled, but not ended yet.
    Cancelling,
    /// Ended: the answer or result is complete.
    Completed,
    /// Ended: the stream stopped before its terminal record.
    Truncated,
    /// Ended: cancelled on purpose.
    Cancelled,
    /// Ended: a time limit expired.
    TimedOut,
    /// Ended: it failed.
    Failed,
}

impl JobState {
    /// The state of a stream that is neither queued, paused nor cancelled. `None` at its end, when the state
    /// follows from its outcome.
    pub fn of_phase(phase: Phase) -> Option<Self> {
        match phase {
            Phase::Connecting => Some(Self::Connecting),
            Phase::Opening | Phase::Waiting => Some(Self::Waiting),
            Phase::Streaming | Phase::Finishing => Some(Self::Streaming),
            Phase::Ended => None,
        }
    }

    /// The state of a job with this ending.
    pub fn of_ending(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(_) => Self::Completed,
            Ending::Truncated(_) => Self::Truncated,
            Ending::Cancelled { .. } => Self::Cancelled,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Failed(_) => Self::Failed,
        }
    }

    /// Whether the job has ended.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Queued
            | Self::Connecting
            | Self::Waiting
            | Self::Streaming
            | Self::Running
            | Self::Paused
            | Self::Cancelling => false,
            Self::Completed | Self::Truncated | Self::Cancelled | Self::TimedOut | Self::Failed => true,
        }
    }

    /// The state's name. Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Streaming => "streaming",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change of a job's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// This long from now.
    In(Duration),
    /// This much later than the current deadline; if there is none, this long from now.
    ExtendBy(Duration),
    /// None.
    Never,
}

impl Deadline {
    /// The new deadline, given the current one. A time that is too far away to represent means no deadline.
    pub fn apply(self, current: Option<Instant>, now: Instant) -> Option<Instant> {
        match self {
            Self::In(time) => now.checked_add(time),
            Self::ExtendBy(time) => current.unwrap_or(now).checked_add(time),
            Self::Never => None,
        }
    }
}
