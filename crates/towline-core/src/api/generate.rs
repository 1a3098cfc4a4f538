//! Completion requests.

use serde::{Deserialize, Serialize};

use super::{Format, KeepAlive, Options, Think};

/// A text to complete.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// The model's name.
    pub model: String,
    /// The text. Empty loads the model, or with a `keep_alive` of zero unloads it.
    pub prompt: String,
    /// The text after the gap, for models that can fill in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Instructions that replace the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A template that replaces the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The token context of an earlier answer. Deprecated by Ollama.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<i64>,
    /// Send the prompt to the model unchanged, without a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// The required format of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Images, in base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Whether to think. `None` leaves it to the server, which thinks if the model can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// Model options.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How long the model stays loaded. `None` leaves it to the server (usually 5 min).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// Whether to cut a prompt that does not fit. Server default: true.
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

impl GenerateRequest {
    /// A request to complete `prompt`.
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self { model: model.into(), prompt: prompt.into(), ..Self::default() }
    }
}
