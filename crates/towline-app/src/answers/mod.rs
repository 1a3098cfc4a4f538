//! The answers that a relay runs, as every face shows and controls them.
//!
//! Where a relay runs answers, it knows each by its id, its name, and what it belongs to ([`for_answer`]). A face does to any of
//! them, whoever asked for it, what a [`Verb`] says, and tells it in the words of [`said`]. How an answer gets into its
//! conversation is [`chat::Reading`](crate::chat::Reading)'s; who writes it is the
//! [history's](crate::history::History::take_over) to say.

mod verb;

use towline::Client;
use towline::relay::{Job, Via};

pub use verb::Verb;

use crate::chat::AnswerId;
use crate::history::ChatId;
use crate::text::safe;

/// The client of a relay, for one answer: the relay's record of it says where in which conversation it belongs. A conversation
/// that the history does not have yet has no number.
pub fn for_answer(client: &Client, chat: Option<ChatId>, id: AnswerId) -> Client {
    client.with_request_config(|config| {
        if let Via::Relay(relay) = &mut config.via {
            relay.conversation = chat.map(|ChatId(number)| number.to_string());
            relay.turn = Some(match id.variant {
                0 | 1 => id.turn.0.to_string(),
                variant => format!("{}.{variant}", id.turn.0),
            });
        }
    })
}

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
