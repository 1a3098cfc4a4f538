//! What requests say. Unknown fields are ignored, and null counts as absent, as in Ollama.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::ApiError;

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// The part of every request that names a model; also all of `/api/show`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    #[serde(deserialize_with = "or_default")]
    pub(crate) model: String,
    /// The old name of `model`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) verbose: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) system: String,
}

/// What `/api/chat` and `/api/generate` have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    #[serde(deserialize_with = "or_default")]
    pub(crate) model: String,
    pub(crate) stream: Option<bool>,
    pub(crate) format: Option<Value>,
    pub(crate) keep_alive: Option<Value>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) options: Map<String, Value>,
    pub(crate) think: Option<Value>,
    pub(crate) truncate: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) logprobs: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) top_logprobs: i64,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tools: Vec<Value>,
    #[serde(rename = "_debug_render_only", deserialize_with = "or_default")]
    pub(crate) render_only: bool,
}

/// `/api/generate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Generate {
    #[serde(flatten)]
    pub(crate) common: Common,
    #[serde(deserialize_with = "or_default")]
    pub(crate) prompt: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) suffix: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) system: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) template: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) context: Vec<u32>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) raw: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) images: Vec<Value>,
}

/// `/api/chat`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chat {
    #[serde(flatten)]
    pub(crate) common: Common,
    #[serde(deserialize_with = "or_default")]
    pub(crate) messages: Vec<Message>,
}

/// One turn.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    #[serde(deserialize_with = "or_default")]
    pub(crate) role: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) content: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) images: Vec<Value>,
}

/// `/api/embed`, and the older `/api/embeddings` with `prompt`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Embed {
    #[serde(deserialize_with = "or_default")]
    pub(crate) model: String,
    pub(crate) input: Option<Value>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) prompt: String,
    pub(crate) keep_alive: Option<Value>,
    pub(crate) truncate: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) dimensions: usize,
    #[serde(deserialize_with = "or_default")]
    pub(crate) options: Map<String, Value>,
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::MissingBody);
    }
    serde_json::from_slice(body).map_err(|error| ApiError::Invalid(error.to_string()))
}

impl Common {
    /// Whether the answer comes record by record; so by default.
    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(true)
    }

    /// What the models here cannot do, whichever it is.
    pub(crate) fn check_abilities(&self) -> Result<(), ApiError> {
        let unable = |what| Err(ApiError::Unable { model: self.model.clone(), what });
        match &self.think {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Bool(true) | Value::String(_)) => return unable("thinking"),
            Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(ApiError::Invalid("think must be a boolean or a string".into()));
            }
        }
        if !self.tools.is_empty() {
            return unable("tools");
        }
        match &self.format {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(_) => return unable("format"),
        }
        if !(0..=20).contains(&self.top_logprobs) {
            return Err(ApiError::Invalid("top_logprobs must be between 0 and 20".into()));
        }
        Ok(())
    }
}
