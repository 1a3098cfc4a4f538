//! How full the model's context is, as far as the server says.

use towline::Outcome;
use towline::api::Options;
use towline_app::chat::Turn;

use super::background_task::Done;
use super::state::Prompt;
use crate::server::UNARY_TIMEOUTS;
use crate::server::models;
use crate::term::screen::Tone;

/// An answer that took fewer tokens fits every context; the server is not asked for its size.
const WORTH_ASKING_TOKENS: u64 = 256;
/// Bytes of text that make a token, about.
const TOKEN_BYTES: u64 = 4;

/// What is known of the context of the conversation's model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Tokens that the last answer took with all before it.
    used: u64,
    /// The model that the server told the size for, and the size, in tokens.
    told: Option<(String, u64)>,
}

impl Prompt<'_> {
    /// An answer of the conversation's model is complete. Where the size of its context is not known, the server is asked.
    pub fn note_context(&mut self, model: &str, outcome: &Outcome) {
        if model != self.chat.settings.model {
            return;
        }
        let usage = outcome.reply.usage.clone().unwrap_or_default();
        self.context.used = usage.prompt_tokens.unwrap_or(0) + usage.completion_tokens.unwrap_or(0);
        let is_known = self.context_tokens().is_some() || self.context.used < WORTH_ASKING_TOKENS;
        if !self.interactive || is_known {
            return;
        }
        let client = self.server.client.with_request_config(|config| config.timeouts = UNARY_TIMEOUTS);
        let model = model.to_owned();
        self.in_background("context", false, async move {
            // A server that does not say leaves it unknown.
            let running = client.ps().await.unwrap_or_default().models;
            let is_it = |name: &str| models::is_named(name, &model);
            let found = running.iter().find(|running| is_it(&running.name) && running.context_length > 0);
            Ok(match found.map(|running| running.context_length) {
                Some(tokens) => Done::Context(model, tokens),
                None => Done::Nothing,
            })
        });
    }

    /// The server told how many tokens a model looks back on.
    pub fn context_told(&mut self, model: String, tokens: u64) {
        self.context.told = Some((model, tokens));
    }

    /// The conversation is another.
    pub fn forget_context(&mut self) {
        self.context.used = 0;
    }

    /// How many tokens the conversation's model looks back on: what was set, else what the server told.
    fn context_tokens(&self) -> Option<u64> {
        let settings = &self.chat.settings;
        let set = |options: &Options| options.0.get("num_ctx")?.as_u64();
        let told = self.context.told.as_ref().filter(|(model, _)| *model == settings.model);
        set(&settings.options).or(told.map(|(_, tokens)| *tokens)).filter(|tokens| *tokens > 0)
    }

    /// How full it is, with this many tokens of an answer on its way; `None` where that is not known.
    pub fn context_text(&self, coming: u64) -> Option<String> {
        let size = self.context_tokens().filter(|_| self.context.used > 0)?;
        let used = self.context.used + coming;
        Some(format!("context {} % of {size}", used.saturating_mul(100) / size))
    }

    /// Says that a question does not fit beside what was said before.
    pub fn warn_of_context(&mut self, question: &str) {
        let Some(size) = self.context_tokens() else { return };
        let before = match self.context.used {
            0 => {
                let bytes = |turn: &Turn| turn.answer().answer.content.len() + turn.question.content.len();
                let turns = self.chat.turns().iter().map(bytes);
                turns.sum::<usize>() as u64 / TOKEN_BYTES
            }
            used => used,
        };
        let wanted = before + question.len() as u64 / TOKEN_BYTES;
        if wanted > size {
            self.say(
                Tone::Dim,
                &format!(
                    "about {wanted} tokens go to a context of {size}: the model will not see the oldest; \
                     set num_ctx enlarges it, :clear begins again"
                ),
            );
        }
    }
}
