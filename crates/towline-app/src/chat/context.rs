//! How full the context of a conversation's model is, based on the server's counts.

use super::{Answered, Conversation, Turn};

/// An answer with fewer tokens fits every context, so the size need not be requested from the server.
const WORTH_ASKING_TOKENS: u64 = 256;
/// Approximate number of bytes of text per token.
const TOKEN_BYTES: u64 = 4;

/// How full the context of a conversation's model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Tokens up to and including the model's last complete answer; 0 if that is not known.
    used: u64,
    /// The size of the context in tokens: the setting, else the server's value.
    size: Option<u64>,
}

impl Context {
    /// The context use of a conversation, with the size that the server `reported`, in tokens.
    pub fn of(conversation: &Conversation, reported: Option<u64>) -> Self {
        let settings = &conversation.settings;
        let used = conversation.turns().iter().rev().find_map(|turn| {
            let mut answers = turn.side_by_side().into_iter();
            let answer =
                answers.find(|one| one.model == settings.model && one.answered == Answered::Whole)?;
            let usage = answer.usage.as_ref()?;
            Some(usage.prompt_tokens.unwrap_or(0) + usage.completion_tokens.unwrap_or(0))
        });
        let set = settings.options.0.get("num_ctx").and_then(serde_json::Value::as_u64);
        Self { used: used.unwrap_or(0), size: set.or(reported).filter(|size| *size > 0) }
    }

    /// Whether it is worth asking the server for the size.
    pub fn is_worth_asking(&self) -> bool {
        self.size.is_none() && self.used >= WORTH_ASKING_TOKENS
    }

    /// How full it is, in percent, including this many tokens of a running answer; `None` if that is not
    /// known.
    pub fn percent(&self, coming: u64) -> Option<u64> {
        let size = self.size.filter(|_| self.used > 0)?;
        Some((self.used + coming).saturating_mul(100) / size)
    }

    /// The same as text: “context 78 % of 4096”.
    pub fn text(&self, coming: u64) -> Option<String> {
        Some(format!("context {} % of {}", self.percent(coming)?, self.size?))
    }

    /// The approximate number of tokens of a request with this question, and the size of the context, if the
    /// request does not fit.
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
