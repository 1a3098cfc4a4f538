//! The place of an answer in the history, from the relay's record of it.

use std::fmt;

use towline::Client;
use towline::relay::{Job, Via};

use super::{ChatId, WriterId};
use crate::chat::{AnswerId, TurnId};

/// The conversation of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InHistory {
    /// This one.
    Chat(ChatId),
    /// The one that this writer started last, which has no number yet.
    LastOf(WriterId),
}

impl fmt::Display for InHistory {
    /// In the form that is sent to the relay.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(ChatId(number)) => number.fmt(f),
            Self::LastOf(writer) => write!(f, "w{}", writer.number()),
        }
    }
}

/// The turn of an answer, in the form that is sent to the relay.
pub fn turn_of(id: AnswerId) -> String {
    match id.variant {
        0 | 1 => id.turn.0.to_string(),
        variant => format!("{}.{variant}", id.turn.0),
    }
}

/// The client of a relay, configured for one answer, so that the relay's record names its place. Without a
/// history, that is only the turn.
pub fn for_answer(client: &Client, history: Option<InHistory>, id: AnswerId) -> Client {
    client.with_request_config(|config| {
        if let Via::Relay(relay) = &mut config.via {
            relay.conversation = history.map(|history| history.to_string());
            relay.turn = Some(turn_of(id));
        }
    })
}

/// The place of an answer from the relay's record, if one of our programs set it.
pub fn place_of(job: &Job) -> Option<(InHistory, AnswerId)> {
    read_place(job.conversation.as_deref()?, job.turn.as_deref()?)
}

/// The place in these fields of a relay's record; `None` for fields of other programs.
pub fn read_place(conversation: &str, turn: &str) -> Option<(InHistory, AnswerId)> {
    let history = match conversation.strip_prefix('w') {
        Some(writer) => InHistory::LastOf(WriterId::of(writer.parse().ok()?)),
        None => InHistory::Chat(ChatId(conversation.parse().ok()?)),
    };
    let (turn, variant) = turn.split_once('.').unwrap_or((turn, "1"));
    Some((history, AnswerId { turn: TurnId(turn.parse().ok()?), variant: variant.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use towline::client::Endpoint;
    use towline::relay::{AnswerState, RelayConfig};

    use super::*;

    #[test]
    fn what_is_sent_to_the_relay_is_read_back() {
        let via = Via::Relay(RelayConfig::default());
        let config = towline::Config { via, ..towline::Config::default() };
        let client = Client::with_config(Endpoint::http("h", 1), config).unwrap();
        for history in [InHistory::Chat(ChatId(7)), InHistory::LastOf(WriterId::of(5))] {
            for variant in [1, 3] {
                let id = AnswerId { turn: TurnId(4), variant };
                let recorded = for_answer(&client, Some(history), id);
                let Via::Relay(config) = &recorded.config().via else { panic!("a relay's client") };
                let mut job = Job::new("a", AnswerState::Streaming);
                (job.conversation, job.turn) = (config.conversation.clone(), config.turn.clone());
                assert_eq!(place_of(&job), Some((history, id)));
            }
        }
        for (conversation, turn) in [("w", "1"), ("mine", "1"), ("7", "first"), ("7", "1.x"), ("wx", "1")] {
            let mut job = Job::new("a", AnswerState::Streaming);
            (job.conversation, job.turn) = (Some(conversation.to_owned()), Some(turn.to_owned()));
            assert_eq!(place_of(&job), None, "another program's own: {conversation} {turn}");
        }
    }
}
