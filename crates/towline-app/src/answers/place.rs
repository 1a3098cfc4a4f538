//! Where in the history an answer belongs, as the relay's record of it says.

use towline::Client;
use towline::relay::{Job, Via};

use crate::chat::{AnswerId, TurnId};
use crate::history::{ChatId, WriterId};

/// The conversation of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InHistory {
    /// This one.
    Chat(ChatId),
    /// The one that this writer began last, which has no number yet.
    LastOf(WriterId),
}

/// The client of a relay, for one answer: the relay's record of it says where it belongs. Without a history, that is the turn
/// alone.
pub fn for_answer(client: &Client, history: Option<InHistory>, id: AnswerId) -> Client {
    client.with_request_config(|config| {
        if let Via::Relay(relay) = &mut config.via {
            relay.conversation = history.map(|history| match history {
                InHistory::Chat(ChatId(number)) => number.to_string(),
                InHistory::LastOf(writer) => format!("w{}", writer.number()),
            });
            relay.turn = Some(match id.variant {
                0 | 1 => id.turn.0.to_string(),
                variant => format!("{}.{variant}", id.turn.0),
            });
        }
    })
}

/// Where the relay says that an answer belongs, if one of our programs said so to it.
pub fn place_of(job: &Job) -> Option<(InHistory, AnswerId)> {
    let conversation = job.conversation.as_deref()?;
    let history = match conversation.strip_prefix('w') {
        Some(writer) => InHistory::LastOf(WriterId::of(writer.parse().ok()?)),
        None => InHistory::Chat(ChatId(conversation.parse().ok()?)),
    };
    let turn = job.turn.as_deref()?;
    let (turn, variant) = turn.split_once('.').unwrap_or((turn, "1"));
    Some((history, AnswerId { turn: TurnId(turn.parse().ok()?), variant: variant.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use towline::client::Endpoint;
    use towline::relay::{AnswerState, RelayConfig};

    use super::*;

    #[test]
    fn what_the_relay_is_told_is_read_again() {
        let via = Via::Relay(RelayConfig::default());
        let config = towline::Config { via, ..towline::Config::default() };
        let client = Client::with_config(Endpoint::http("h", 1), config).unwrap();
        for history in [InHistory::Chat(ChatId(7)), InHistory::LastOf(WriterId::of(5))] {
            for variant in [1, 3] {
                let id = AnswerId { turn: TurnId(4), variant };
                let told = for_answer(&client, Some(history), id);
                let Via::Relay(told) = &told.config().via else { panic!("a relay's client") };
                let mut job = Job::new("a", AnswerState::Streaming);
                (job.conversation, job.turn) = (told.conversation.clone(), told.turn.clone());
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
