//! Common parts of all requests.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::Refusal;
use super::options::Options;
use crate::brook::chat::Turn;

/// Maximum number of turns of a chat; the context holds far fewer.
const MAX_TURNS: usize = 4096;

/// The fields of a request, each parsed when it is used. Unknown fields are ignored, and null counts as
/// absent, as in Ollama.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Fields(HashMap<String, Box<RawValue>>);

impl Fields {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::bad("missing request body"));
        }
        serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))
    }

    /// The names and the JSON of all fields.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.get())).filter(|(_, json)| *json != "null")
    }

    /// The field's JSON; `None` if it is absent.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|json| json.get()).filter(|json| *json != "null")
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let read = |json| serde_json::from_str(json).map_err(|e| Refusal::bad(format!("{name}: {e}")));
        self.raw(name).map(read).transpose()
    }

    /// A text; `None` if it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.get(name)?.filter(|text: &String| !text.is_empty()))
    }

    /// Whether the field has a value other than an empty one or `false`.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|json| !["false", "\"\"", "[]", "{}"].contains(&json))
    }

    /// # Errors
    /// If the field is given: the model does not support `what`.
    pub(crate) fn refuse(&self, field: &str, what: &str) -> Result<(), Refusal> {
        if self.is_given(field) { Err(self.unable(what)) } else { Ok(()) }
    }

    pub(crate) fn unable(&self, what: &str) -> Refusal {
        Refusal::bad(format!("{:?} does not support {what}", self.model()))
    }

    /// The model's name, as written.
    pub(crate) fn model(&self) -> String {
        self.text("model").ok().flatten().unwrap_or_default()
    }

    /// Ollama's `options`.
    pub(crate) fn options(&self, rate: Option<f32>) -> Result<Options, Refusal> {
        Options::read(&self.get("options")?.unwrap_or_default(), rate)
    }

    /// The turns of `messages`; a content may be a text or OpenAI's list of parts.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, Refusal> {
        let messages: Vec<Fields> = self.get("messages")?.unwrap_or_default();
        if messages.len() > MAX_TURNS {
            return Err(Refusal::bad(format!("messages: more than {MAX_TURNS}")));
        }
        let turn = |message: Fields| {
            if message.is_given("images") {
                return Err(self.unable("vision"));
            }
            let content = match message.raw("content") {
                Some(json) if json.starts_with('[') => {
                    let parts: Vec<Fields> = message.get("content")?.unwrap_or_default();
                    let texts = parts.iter().map(|part| match part.text("type")?.as_deref() {
                        None | Some("text") => Ok(part.text("text")?.unwrap_or_default()),
                        Some(_) => Err(self.unable("vision")),
                    });
                    texts.collect::<Result<_, _>>()?
                }
                _ => message.text("content")?.unwrap_or_default(),
            };
            Ok(Turn { role: message.text("role")?.unwrap_or_default().to_lowercase(), content })
        };
        messages.into_iter().map(turn).collect()
    }
}
