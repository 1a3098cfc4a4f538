//! Turns a request into the tokens of its prompt, cut to fit the context.

use super::error::Refusal;
use super::options::Options;
use crate::brook::chat::Turn;
use crate::brook::forward::VOCABULARY;
use crate::brook::tokenizer::Tokenizer;

/// A prompt as text and as tokens.
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// At least one, and fewer than the size of the context.
    pub(crate) tokens: Vec<u32>,
    /// Tokens before the prompt was cut.
    whole_tokens: usize,
}

impl Prompt {
    /// A chat's prompt, after the tokens of an earlier answer. If it is too long and may be cut (`truncate`),
    /// the oldest turns are dropped; system turns and the last one stay.
    pub(crate) fn chat(
        tokenizer: &Tokenizer,
        options: &Options,
        truncate: bool,
        turns: &[Turn],
        before: Vec<u32>,
    ) -> Result<Self, Refusal> {
        if let Some(id) = before.iter().find(|id| **id as usize >= VOCABULARY) {
            return Err(Refusal::bad(format!("context: there is no token {id}")));
        }
        let is_last = |index| index + 1 == turns.len();
        // Turns are separated by special tokens, so each can be tokenised on its own.
        let write = |(index, turn): (usize, &Turn)| {
            let text = turn.written(is_last(index));
            (tokenizer.encode(&text), text)
        };
        let written: Vec<_> = turns.iter().enumerate().map(write).collect();
        let whole_tokens = before.len() + written.iter().map(|(tokens, _)| tokens.len()).sum::<usize>();
        let mut excess = whole_tokens.saturating_sub(options.room());
        let mut prompt = Self { text: String::new(), tokens: before, whole_tokens };
        for (index, (tokens, text)) in written.iter().enumerate() {
            if truncate && excess > 0 && turns[index].role != "system" && !is_last(index) {
                excess = excess.saturating_sub(tokens.len());
            } else {
                prompt.tokens.extend(tokens);
                prompt.text.push_str(text);
            }
        }
        prompt.cut(options, truncate)
    }

    /// A prompt from plain text.
    pub(crate) fn plain(
        tokenizer: &Tokenizer,
        options: &Options,
        truncate: bool,
        text: String,
    ) -> Result<Self, Refusal> {
        let tokens = tokenizer.encode(&text);
        let whole_tokens = tokens.len();
        Self { text, tokens, whole_tokens }.cut(options, truncate)
    }

    /// Removes tokens after the first `num_keep`, so that the rest fits.
    fn cut(mut self, options: &Options, truncate: bool) -> Result<Self, Refusal> {
        let (length, context, room) = (self.tokens.len(), options.settings.context, options.room());
        if length == 0 {
            return Err(Refusal::bad("the prompt is empty"));
        }
        if !truncate && length >= context {
            return Err(Refusal::too_long(length, context));
        }
        if truncate && length > room {
            let keep = options.num_keep.min(room / 2);
            self.tokens.drain(keep..keep + length - room);
            self.tokens.shrink_to_fit();
        }
        Ok(self)
    }

    /// The note that the prompt was cut; `None` if it was not.
    pub(crate) fn note(&self, context: usize) -> Option<String> {
        let (whole, kept) = (self.whole_tokens, self.tokens.len());
        let note = format!("the prompt of {whole} tokens was cut to {kept}: the context holds {context}");
        (whole > kept).then(|| note + ", answer included")
    }
}
