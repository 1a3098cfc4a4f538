//! The answers that a relay runs, as every face shows and controls them.
//!
//! Where a relay runs answers, it knows each by its id, its name, and what it belongs to ([`history::for_answer`](crate::history::for_answer)). A face does to any of
//! them, whichever program asked, what a [`Verb`] says, and tells it in the words of [`said`]. How an answer gets into its
//! conversation is [`chat::Reading`](crate::chat::Reading)'s; who writes it is the
//! [history's](crate::history::History::take_over) to say.

mod verb;

use towline::relay::Job;

pub use verb::Verb;

use crate::text::safe;

/// What a person types for an answer: its name, else its id.
pub fn handle(job: &Job) -> &str {
    job.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&job.id)
}

/// How an answer stands, with its cause: `failed: out of memory`.
pub fn said(job: &Job) -> String {
    let mut said = match job.cause.as_deref().filter(|cause| !cause.is_empty()) {
        Some(cause) => format!("{}: {}", job.state, safe::line(cause)),
        None => job.state.to_string(),
    };
    if job.not_understood > 0 {
        said += &format!(" ({} records not understood)", job.not_understood);
    }
    said
}
