//! How a relay's jobs ended, as text and as an exit status.

use towline::relay::{AnswerState, Job};
use towline::{Ending, Outcome};
use towline_app::answers::state_words;

use crate::exit::Exit;
use crate::exit::stop::Stop;
use crate::output;

/// The exit status of an ended job; success for a running one.
pub fn exit_of(state: &AnswerState) -> Exit {
    match state {
        AnswerState::Queued
        | AnswerState::Connecting
        | AnswerState::Waiting
        | AnswerState::Streaming
        | AnswerState::Paused
        | AnswerState::Cancelling
        | AnswerState::Completed => Exit::Completed,
        AnswerState::Truncated | AnswerState::Interrupted => Exit::Truncated,
        AnswerState::Cancelled => Exit::Interrupted,
        AnswerState::TimedOut => Exit::TimedOut,
        AnswerState::Failed | AnswerState::Other(_) => Exit::Failed,
    }
}

/// Explains on standard error how a stream of the relay ended that was read to its end. Reconnects may have
/// been reported already.
pub fn explain(outcome: &Outcome, kept: &str, shows_links: bool) {
    if outcome.stats.reconnects > 0 && !shows_links {
        let times = if outcome.stats.reconnects == 1 { "once" } else { "several times" };
        output::note(&format!("the relay was out of reach {times}; nothing is missing"));
    }
    match &outcome.ending {
        Ending::Completed(_) => {}
        Ending::Cancelled { reason, .. } => output::note(&format!("cancelled: {reason}; {kept}")),
        Ending::TimedOut { .. } => output::error(&format!("{}; {kept}", outcome.ending)),
        Ending::Truncated(error) | Ending::Failed(error) => {
            output::error(&format!("{}; {kept}", error.message))
        }
    }
}

/// The message when a reader detaches from a job: the state of the job, if the relay reports it.
pub fn detached_message(name: &str, stop: Stop, job: Option<&Job>) -> String {
    let reason = stop.reason();
    match job {
        None => format!(
            "{reason}: detached; the relay is out of reach, so it is not known whether the job still runs. towline jobs shows it"
        ),
        Some(job) if job.state.is_ended() => {
            format!(
                "{reason}: detached; the job has ended: {}. towline attach {name} reads it",
                state_words(job)
            )
        }
        Some(_) => format!(
            "{reason}: detached; the job continues. towline attach {name} resumes it, towline kill {name} cancels it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_job_continues_is_said_only_where_the_relay_says_so() {
        let job = |state| Job::new("a1", state);
        let message = |job: Option<&Job>| detached_message("river", Stop::Interrupted, job);
        assert!(
            message(Some(&job(AnswerState::Streaming))).contains("the job continues. towline attach river")
        );
        assert!(message(Some(&job(AnswerState::Completed))).contains("the job has ended: completed"));
        assert!(message(None).contains("it is not known whether the job still runs"));
    }
}
