//! A loaded chat.

use std::collections::HashMap;

use towline_app::chat::{AnswerId, Conversation};

use super::Answer;

/// A loaded chat, with its answers ready to be drawn.
#[derive(Debug)]
pub struct Loaded {
    /// What was said.
    pub conversation: Conversation,
    /// The answers.
    pub answers: HashMap<AnswerId, Answer>,
    /// The answers on the relay that the window writes from now on, by their relay ids.
    pub taken: Vec<String>,
}

impl Loaded {
    /// A loaded conversation, without answers on a relay.
    pub fn of(conversation: Conversation) -> Box<Self> {
        let answers = conversation.answers().map(|answer| (answer.id, Answer::of(answer))).collect();
        Box::new(Self { conversation, answers, taken: Vec::new() })
    }
}
