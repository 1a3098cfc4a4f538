//! Options that several requests share.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// Model options by Ollama's names, for example `temperature` or `num_ctx`.
///
/// A load-time option (`num_ctx`, `num_gpu`, `num_batch`, `main_gpu`, `use_mmap`, `num_thread`) that differs from the
/// one the model was loaded with makes the server load the model anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub Map<String, Value>);

/// What kind of value an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Integer,
    Number,
    Bool,
    Texts,
}

/// The options Ollama knows (`api/types.go`, `Options` and `Runner`).
const KNOWN: &[(&str, Takes)] = &[
    ("num_keep", Takes::Integer),
    ("seed", Takes::Integer),
    ("num_predict", Takes::Integer),
    ("top_k", Takes::Integer),
    ("top_p", Takes::Number),
    ("min_p", Takes::Number),
    ("typical_p", Takes::Number),
    ("repeat_last_n", Takes::Integer),
    ("temperature", Takes::Number),
    ("repeat_penalty", Takes::Number),
    ("presence_penalty", Takes::Number),
    ("frequency_penalty", Takes::Number),
    ("stop", Takes::Texts),
    ("num_ctx", Takes::Integer),
    ("num_batch", Takes::Integer),
    ("num_gpu", Takes::Integer),
    ("main_gpu", Takes::Integer),
    ("use_mmap", Takes::Bool),
    ("num_thread", Takes::Integer),
    ("draft_num_predict", Takes::Integer),
];

/// An option text that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOption(String);

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadOption {}

impl Options {
    /// Whether no option is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets an option, replacing its value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Sets an option from text, for example `temperature` and `0.2`. `stop` may be set repeatedly.
    ///
    /// # Errors
    /// A name Ollama does not know (it would be ignored), or a value of the wrong kind (it would be refused).
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), BadOption> {
        let Some((_, takes)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = KNOWN.iter().map(|(known, _)| *known).collect();
            return Err(BadOption(format!("there is no option {name:?}; known are {}", names.join(", "))));
        };
        let wrong = |kind: &str| BadOption(format!("option {name} takes {kind}, not {text:?}"));
        let value = match takes {
            Takes::Integer => Value::from(text.parse::<i64>().map_err(|_| wrong("a whole number"))?),
            Takes::Number => {
                let number: f64 = text.parse().map_err(|_| wrong("a number"))?;
                serde_json::Number::from_f64(number)
                    .map(Value::Number)
                    .ok_or_else(|| wrong("a finite number"))?
            }
            Takes::Bool => Value::from(text.parse::<bool>().map_err(|_| wrong("true or false"))?),
            Takes::Texts => {
                let mut texts = self.0.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                texts.push(Value::from(text));
                Value::Array(texts)
            }
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }
}

/// Whether, and how hard, a model thinks before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Think {
    /// Think, as hard as the model does by itself.
    On,
    /// Do not think.
    Off,
    /// Think this hard: `low`, `medium`, `high` or `max`, for models that know levels.
    Level(String),
}

impl Serialize for Think {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On => to.serialize_bool(true),
            Self::Off => to.serialize_bool(false),
            Self::Level(level) => to.serialize_str(level),
        }
    }
}

/// What form the answer must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Any JSON.
    Json,
    /// JSON after this schema.
    Schema(Value),
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json => to.serialize_str("json"),
            Self::Schema(schema) => schema.serialize(to),
        }
    }
}

/// How long the server keeps the model loaded after the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// This long. Zero unloads it at once.
    For(Duration),
    /// Until the server ends.
    Forever,
}

impl Serialize for KeepAlive {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            // Ollama keeps the time as a signed number of nanoseconds; a longer one outlives any server.
            Self::For(time) if i64::try_from(time.as_nanos()).is_ok() => {
                to.serialize_str(&format!("{}ms", time.as_nanos().div_ceil(1_000_000)))
            }
            Self::For(_) | Self::Forever => to.serialize_i64(-1),
        }
    }
}
