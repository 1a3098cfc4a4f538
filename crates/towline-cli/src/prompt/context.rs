//! How full the model's context is, as far as the server reports it.

use towline_app::chat::context::Context;

use super::background_task::Done;
use super::state::Prompt;
use crate::server::UNARY_TIMEOUTS;
use crate::server::models;
use crate::term::screen::Tone;

impl Prompt<'_> {
    /// How full it is.
    pub fn context(&self) -> Context {
        let reported = self.reported_context.as_ref().filter(|(model, _)| *model == self.chat.settings.model);
        Context::of(&self.chat, reported.map(|(_, tokens)| *tokens))
    }

    /// Called when an answer is complete. If the size of the context is unknown, asks the server.
    pub fn learn_context(&mut self) {
        if !self.interactive || !self.context().is_worth_asking() {
            return;
        }
        let client = self.asked.server.client.with_request_config(|config| config.timeouts = UNARY_TIMEOUTS);
        let model = self.chat.settings.model.clone();
        self.in_background("context", false, async move {
            // If the server does not report it, it stays unknown.
            let running = client.ps().await.unwrap_or_default().models;
            let is_it = |name: &str| models::is_named(name, &model);
            let found = running.iter().find(|running| is_it(&running.name) && running.context_length > 0);
            Ok(match found.map(|running| running.context_length) {
                Some(tokens) => Done::Context(model, tokens),
                None => Done::Nothing,
            })
        });
    }

    /// Warns that a question does not fit into the context together with the conversation.
    pub fn warn_of_context(&mut self, question: &str) {
        if let Some((wanted, size)) = self.context().overflow(&self.chat, question) {
            self.print(
                Tone::Dim,
                &format!(
                    "about {wanted} tokens go to a context of {size}: the model will not see the oldest; \
                     set num_ctx enlarges the context, :clear starts over"
                ),
            );
        }
    }
}
