//! A chat that was read.

use std::collections::HashMap;

use towline_app::chat::{AnswerId, Conversation};

use super::Answer;

/// A chat that was read, with its answers ready to be drawn.
#[derive(Debug)]
pub struct Loaded {
    /// What was said.
    pub conversation: Conversation,
    /// The answers.
    pub answers: HashMap<AnswerId, Answer>,
    /// The answers at the relay that the window writes from now on, by the relay's names for them.
    pub taken: Vec<String>,
}

impl Loaded {
    /// What was read of it; nothing is taken from a relay.
    pub fn of(conversation: Conversation) -> Box<Self> {
        let answers = conversation.answers().map(|answer| (answer.id, Answer::of(answer))).collect();
        Box::new(Self { conversation, answers, taken: Vec::new() })
    }
}
