//! How a relay's jobs ended, in words and as a status.

use towline::relay::{Job, JobState};
use towline::{Ending, Outcome};
use towline_app::text::safe;

use crate::exit::Exit;
use crate::out;
use crate::stop::Stop;

/// The status of a job that has ended; of one that runs, success.
pub fn exit_of(state: &JobState) -> Exit {
    match state {
        JobState::Queued
        | JobState::Connecting
        | JobState::Waiting
        | JobState::Streaming
        | JobState::Paused
        | JobState::Cancelling
        | JobState::Completed => Exit::Completed,
        JobState::Truncated | JobState::Interrupted => Exit::Truncated,
        JobState::Cancelled => Exit::Interrupted,
        JobState::TimedOut => Exit::TimedOut,
        JobState::Failed | JobState::Other(_) => Exit::Failed,
    }
}

/// A job's state with its cause: `failed: out of memory`.
pub fn say_state(job: &Job) -> String {
    let mut said = match job.cause.as_deref().filter(|cause| !cause.is_empty()) {
        Some(cause) => format!("{}: {}", job.state, safe::line(cause)),
        None => job.state.to_string(),
    };
    if job.not_understood > 0 {
        said += &format!(" ({} records not understood)", job.not_understood);
    }
    said
}

/// Says, on standard error, how a stream of the relay ended that was read to its end. Reconnects may have been told as
/// they came.
pub fn explain(outcome: &Outcome, kept: &str, told_links: bool) {
    if outcome.stats.reconnects > 0 && !told_links {
        let times = if outcome.stats.reconnects == 1 { "once" } else { "several times" };
        out::note(&format!("the relay was out of reach {times}; nothing is missing"));
    }
    match &outcome.ending {
        Ending::Completed(_) => {}
        Ending::Cancelled { reason, .. } => out::note(&format!("cancelled: {reason}; {kept}")),
        Ending::TimedOut { .. } => out::error(&format!("{}; {kept}", outcome.ending)),
        Ending::Truncated(error) | Ending::Failed(error) => out::error(&format!("{}; {kept}", error.message)),
    }
}

/// What is said when a reader leaves a job that runs on.
pub fn left(id: &str, stop: Stop) -> String {
    format!(
        "{}: detached; the job runs on. towline attach {id} reads on, towline kill {id} stops it",
        stop.reason()
    )
}
