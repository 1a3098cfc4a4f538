//! Chat requests.

use serde::{Deserialize, Serialize};

use super::{Format, KeepAlive, Message, Options, Think, Tool};

/// A conversation that the model continues.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The model's name.
    pub model: String,
    /// The conversation. Empty loads the model, or with a `keep_alive` of zero unloads it.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// The required format of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Whether to think. `None` leaves it to the server, which thinks if the model can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// Model options.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How long the model stays loaded. `None` leaves it to the server (usually 5 min).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// Whether to drop the oldest messages when the conversation does not fit. Server default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<bool>,
    /// Whether to shift the context when it is full. A change makes the server reload the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<bool>,
    /// Whether to send the log probabilities of the answer's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many likely tokens to name for each token, 0 to 20. Needs `logprobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
}

impl ChatRequest {
    /// A conversation with `model` that has no messages yet.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// The same conversation with one more message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        // A single message is the usual case; a second one makes room for more.
        if self.messages.is_empty() {
            self.messages.reserve_exact(1);
        }
        self.messages.push(message);
        self
    }

    /// The same conversation with one more message from the user.
    #[must_use]
    pub fn user(self, content: impl Into<String>) -> Self {
        self.message(Message::user(content))
    }

    /// The same conversation with instructions to the model.
    #[must_use]
    pub fn system(self, content: impl Into<String>) -> Self {
        self.message(Message::system(content))
    }

    /// The same conversation with an option set.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.options = self.options.with(name, value);
        self
    }
}
