//! From a request to the tokens of its prompt, cut to fit the context.

use super::error::ApiError;
use super::options::Options;
use crate::text::template::{ChatTemplate, Turn};
use crate::text::tokenizer::Tokenizer;

/// At least this share of the context is kept free for the answer when a prompt is cut.
const ANSWER_SHARE: usize = 4;

/// A prompt as text and as tokens.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// At least one, and fewer than the context holds.
    pub(crate) tokens: Vec<u32>,
}

/// How prompts are made for one request.
#[derive(Debug)]
pub(crate) struct PromptMaker<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) options: &'a Options,
    /// Tokens of prompt and answer together.
    pub(crate) context: usize,
    /// Whether a prompt that is too long may be cut.
    pub(crate) truncate: bool,
    /// Tokens that come before the prompt: the `context` of an earlier answer.
    pub(crate) before: &'a [u32],
}

impl PromptMaker<'_> {
    /// A chat's prompt. Where it is too long, the oldest turns are left out; system turns and the last one stay.
    pub(crate) fn chat(&self, template: &ChatTemplate, turns: &[Turn]) -> Result<Prompt, ApiError> {
        let oldest = |first: usize| -> Vec<Turn> {
            let keep = |(index, turn): &(usize, &Turn)| turn.role == "system" || *index >= first;
            turns.iter().enumerate().filter(keep).map(|(_, turn)| turn.clone()).collect()
        };
        let make = |first| {
            let text = template.render(&oldest(first)).map_err(ApiError::Invalid)?;
            let tokens = self.encode(&text)?;
            Ok(Prompt { text, tokens })
        };
        let whole: Prompt = make(0)?;
        if whole.tokens.len() <= self.room() || !self.truncate {
            return self.cut(whole);
        }
        // The smallest number of turns to leave out, by halving.
        let (mut too_few, mut enough) = (0, turns.len().saturating_sub(1));
        while enough > too_few + 1 {
            let middle = usize::midpoint(too_few, enough);
            if make(middle)?.tokens.len() <= self.room() {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        self.cut(make(enough)?)
    }

    /// A prompt that is text already.
    pub(crate) fn plain(&self, text: String) -> Result<Prompt, ApiError> {
        let tokens = self.encode(&text)?;
        self.cut(Prompt { text, tokens })
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, ApiError> {
        if self.before.is_empty() {
            return self.tokenizer.encode_prompt(text).map_err(ApiError::Engine);
        }
        let mut tokens = self.before.to_vec();
        tokens.extend(self.tokenizer.encode(text).map_err(ApiError::Engine)?);
        Ok(tokens)
    }

    /// Tokens that a prompt may have when it is cut.
    fn room(&self) -> usize {
        let answer = (self.context / ANSWER_SHARE).min(self.options.max_tokens(self.context)).max(1);
        self.context.saturating_sub(answer).max(1)
    }

    /// Takes tokens out after the first `num_keep`, so that the rest fits.
    fn cut(&self, mut prompt: Prompt) -> Result<Prompt, ApiError> {
        let length = prompt.tokens.len();
        if length == 0 {
            return Err(ApiError::Invalid("the prompt is empty".into()));
        }
        if !self.truncate {
            return if length < self.context { Ok(prompt) } else { Err(ApiError::TooLong) };
        }
        let room = self.room();
        if length > room {
            let keep = self.options.num_keep.min(room / 2);
            prompt.tokens.drain(keep..keep + length - room);
        }
        Ok(prompt)
    }
}
