//! From a request to the tokens of its prompt, cut to fit the context.

use super::error::ApiError;
use super::options::Options;
use crate::brook::chat::Turn;
use crate::brook::forward::VOCABULARY;
use crate::brook::tokenizer::Tokenizer;

/// At least this share of the context is kept free for the answer when a prompt is cut.
const ANSWER_SHARE: usize = 4;

/// A prompt as text and as tokens.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// At least one, and fewer than the context holds.
    pub(crate) tokens: Vec<u32>,
    /// Tokens before the prompt was cut.
    pub(crate) whole_tokens: usize,
}

impl Prompt {
    /// That the prompt was cut, in words; `None` where it was not.
    pub(crate) fn note(&self, context: usize) -> Option<String> {
        let (whole, kept) = (self.whole_tokens, self.tokens.len());
        let cut = || {
            format!(
                "the prompt of {whole} tokens was cut to {kept}: the context holds {context}, answer included"
            )
        };
        (whole > kept).then(cut)
    }
}

/// How prompts are made for one request.
#[derive(Debug)]
pub(crate) struct PromptMaker<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) options: &'a Options,
    /// Whether a prompt that is too long may be cut.
    pub(crate) truncate: bool,
    /// Tokens that come before the prompt: the `context` of an earlier answer.
    pub(crate) before: &'a [u32],
}

impl PromptMaker<'_> {
    /// A chat's prompt. Where it is too long, the oldest turns are left out; system turns and the last one stay.
    pub(crate) fn chat(&self, turns: &[Turn]) -> Result<Prompt, ApiError> {
        let write = |(index, turn): (usize, &Turn)| {
            let text = turn.written(index + 1 == turns.len());
            (self.tokenizer.encode(&text), text)
        };
        // Turns meet at special tokens, so each can be split into tokens by itself.
        let written: Vec<_> = turns.iter().enumerate().map(write).collect();
        let whole_tokens = self.before.len() + written.iter().map(|(tokens, _)| tokens.len()).sum::<usize>();
        let mut excess = whole_tokens.saturating_sub(if self.truncate { self.room() } else { usize::MAX });
        let (mut text, mut tokens) = (String::new(), self.before.to_vec());
        for (index, (written, turn)) in written.iter().zip(turns).enumerate() {
            if excess > 0 && turn.role != "system" && index + 1 < turns.len() {
                excess = excess.saturating_sub(written.0.len());
            } else {
                tokens.extend(&written.0);
                text.push_str(&written.1);
            }
        }
        self.cut(Prompt { text, tokens, whole_tokens })
    }

    /// A prompt that is text already.
    pub(crate) fn plain(&self, text: String) -> Result<Prompt, ApiError> {
        let tokens = self.tokenizer.encode(&text);
        let whole_tokens = tokens.len();
        self.cut(Prompt { text, tokens, whole_tokens })
    }

    /// Tokens that a prompt may have when it is cut.
    fn room(&self) -> usize {
        let context = self.options.context();
        let answer = (context / ANSWER_SHARE).min(self.options.max_tokens()).max(1);
        context.saturating_sub(answer).max(1)
    }

    /// Takes tokens out after the first `num_keep`, so that the rest fits.
    fn cut(&self, mut prompt: Prompt) -> Result<Prompt, ApiError> {
        if let Some(id) = self.before.iter().find(|id| **id as usize >= VOCABULARY) {
            return Err(ApiError::Invalid(format!("context: there is no token {id}")));
        }
        let (length, context) = (prompt.tokens.len(), self.options.context());
        if length == 0 {
            return Err(ApiError::Invalid("the prompt is empty".into()));
        }
        if !self.truncate && length >= context {
            return Err(ApiError::TooLong { length, context });
        }
        let room = self.room();
        if self.truncate && length > room {
            let keep = self.options.num_keep.min(room / 2);
            prompt.tokens.drain(keep..keep + length - room);
        }
        Ok(prompt)
    }
}
