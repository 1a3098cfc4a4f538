//! How full the context of a conversation's model is, as far as the server says.

use super::{Answered, Conversation, Turn};

/// An answer that took fewer tokens fits every context; no server need be asked for its size.
const WORTH_ASKING_TOKENS: u64 = 256;
/// Bytes of text that make a token, about.
const TOKEN_BYTES: u64 = 4;

/// How full the context of a conversation's model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Tokens that the model's last complete answer took with all before it; 0 where that is not known.
    used: u64,
    /// How many tokens the model looks back on: what was set, else what the server told.
    size: Option<u64>,
}

impl Context {
    /// That of a conversation, with the size that the server `told`, in tokens.
    pub fn of(conversation: &Conversation, told: Option<u64>) -> Self {
        let settings = &conversation.settings;
        let used = conversation.turns().iter().rev().find_map(|turn| {
            let mut answers = turn.side_by_side().into_iter();
            let answer =
                answers.find(|one| one.model == settings.model && one.answered == Answered::Whole)?;
            let usage = answer.usage.as_ref()?;
            Some(usage.prompt_tokens.unwrap_or(0) + usage.completion_tokens.unwrap_or(0))
        });
        let set = settings.options.0.get("num_ctx").and_then(serde_json::Value::as_u64);
        Self { used: used.unwrap_or(0), size: set.or(told).filter(|size| *size > 0) }
    }

    /// Whether a server is worth asking how large it is.
    pub fn is_worth_asking(&self) -> bool {
        self.size.is_none() && self.used >= WORTH_ASKING_TOKENS
    }

    /// How full it is, in percent, with this many tokens of an answer on its way; `None` where that is not known.
    pub fn percent(&self, coming: u64) -> Option<u64> {
        let size = self.size.filter(|_| self.used > 0)?;
        Some((self.used + coming).saturating_mul(100) / size)
    }

    /// The same in words: “context 78 % of 4096”.
    pub fn text(&self, coming: u64) -> Option<String> {
        Some(format!("context {} % of {}", self.percent(coming)?, self.size?))
    }

    /// About how many tokens a question goes to the model with, and its size, where they do not fit.
    pub fn overflow(&self, conversation: &Conversation, question: &str) -> Option<(u64, u64)> {
        let before = match self.used {
            0 => {
                let bytes = |turn: &Turn| turn.answer().answer.content.len() + turn.question.content.len();
                conversation.turns().iter().map(bytes).sum::<usize>() as u64 / TOKEN_BYTES
            }
            used => used,
        };
        let wanted = before + question.len() as u64 / TOKEN_BYTES;
        self.size.filter(|size| wanted > *size).map(|size| (wanted, size))
    }
}
