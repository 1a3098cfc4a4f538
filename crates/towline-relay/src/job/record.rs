//! What is kept of a job, and how it is shown.

use serde::{Deserialize, Serialize};
use towline_core::job::JobState;
use towline_core::outcome::Ending;

/// What a job is doing, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Queued,
    Connecting,
    Waiting,
    Streaming,
    Paused,
    Cancelling,
    Completed,
    Truncated,
    Cancelled,
    TimedOut,
    Failed,
    /// The relay ended before it did.
    Interrupted,
}

impl State {
    pub(crate) fn of_ending(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(_) => Self::Completed,
            Ending::Truncated(_) => Self::Truncated,
            Ending::Cancelled { .. } => Self::Cancelled,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Failed(_) => Self::Failed,
        }
    }

    pub(crate) fn is_ended(self) -> bool {
        match self {
            Self::Queued
            | Self::Connecting
            | Self::Waiting
            | Self::Streaming
            | Self::Paused
            | Self::Cancelling => false,
            Self::Completed
            | Self::Truncated
            | Self::Cancelled
            | Self::TimedOut
            | Self::Failed
            | Self::Interrupted => true,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => JobState::Queued.as_str(),
            Self::Connecting => JobState::Connecting.as_str(),
            Self::Waiting => JobState::Waiting.as_str(),
            Self::Streaming => JobState::Streaming.as_str(),
            Self::Paused => JobState::Paused.as_str(),
            Self::Cancelling => JobState::Cancelling.as_str(),
            Self::Completed => JobState::Completed.as_str(),
            Self::Truncated => JobState::Truncated.as_str(),
            Self::Cancelled => JobState::Cancelled.as_str(),
            Self::TimedOut => JobState::TimedOut.as_str(),
            Self::Failed => JobState::Failed.as_str(),
            Self::Interrupted => "interrupted",
        }
    }
}

/// The part of a job that outlives the process, kept with its stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) upstream: String,
    pub(crate) request_id: Option<String>,
    pub(crate) detached: bool,
    /// How it ended; `None` while it runs.
    pub(crate) ended: Option<State>,
    /// Unix milliseconds.
    pub(crate) ended_ms: Option<u64>,
    pub(crate) cause: Option<String>,
    pub(crate) records: u64,
    pub(crate) tokens_per_second: Option<f64>,
}
