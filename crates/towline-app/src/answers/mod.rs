//! The answers that a relay runs, for display and control.
//!
//! A relay knows each answer by its id, its name, and the conversation to which it belongs
//! ([`history::for_answer`](crate::history::for_answer)). A program can apply a [`Verb`] to any of them,
//! whichever program asked, and shows the state with [`state_words`]. [`chat::Reading`](crate::chat::Reading) brings
//! an answer into its conversation, and the [history](crate::history::History::take_over) decides which
//! program writes it.

mod verb;

use towline::relay::Job;

pub use verb::Verb;

use crate::text::safe;

/// The handle of an answer for people: its name, else its id.
pub fn handle(job: &Job) -> &str {
    job.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&job.id)
}

/// The state of an answer, with its cause: `failed: out of memory`.
pub fn state_words(job: &Job) -> String {
    let mut words = match job.cause.as_deref().filter(|cause| !cause.is_empty()) {
        Some(cause) => format!("{}: {}", job.state, safe::line(cause)),
        None => job.state.to_string(),
    };
    if job.not_understood > 0 {
        words += &format!(" ({} records not understood)", job.not_understood);
    }
    words
}
