//! Embeddings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{KeepAlive, Options, null_as_default};

/// Texts to turn into vectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EmbedRequest {
    /// The model's name.
    pub model: String,
    /// The texts. If one fails, the whole request fails.
    pub input: Vec<String>,
    /// Whether to cut a text that does not fit. Server default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<bool>,
    /// The number of dimensions of the vectors, for models that support a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// Model options.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How long the model stays loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
}

/// The vectors of an [`EmbedRequest`], in the order of its texts.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct EmbedResponse {
    /// The model's name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub model: String,
    /// A vector for each text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub embeddings: Vec<Vec<f32>>,
    /// Tokens of all texts.
    #[serde(default, deserialize_with = "null_as_default")]
    pub prompt_eval_count: u64,
    /// Total time that the server spent, in nanoseconds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_duration: u64,
    /// The part of it for loading the model, in nanoseconds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub load_duration: u64,
}

impl EmbedResponse {
    /// Time the server spent in all.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_duration)
    }
}

/// One text for the older `embeddings` endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EmbeddingsRequest {
    /// The model's name.
    pub model: String,
    /// The text.
    pub prompt: String,
    /// Model options.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How long the model stays loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
}

/// The vector of an [`EmbeddingsRequest`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct EmbeddingsResponse {
    /// The vector; not normalised.
    #[serde(default, deserialize_with = "null_as_default")]
    pub embedding: Vec<f64>,
}
