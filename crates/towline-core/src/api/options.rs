//! Options that several requests share.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Model options by Ollama's names, for example `temperature` or `num_ctx`.
///
/// A load-time option (`num_ctx`, `num_gpu`, `num_batch`, `main_gpu`, `use_mmap`, `num_thread`) that differs from the
/// one the model was loaded with makes the server reload the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub Map<String, Value>);

/// The type of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptionType {
    Integer,
    Number,
    Bool,
    Texts,
}

/// The options that Ollama knows (`api/types.go`, `Options` and `Runner`).
const KNOWN: &[(&str, OptionType)] = &[
    ("num_keep", OptionType::Integer),
    ("seed", OptionType::Integer),
    ("num_predict", OptionType::Integer),
    ("top_k", OptionType::Integer),
    ("top_p", OptionType::Number),
    ("min_p", OptionType::Number),
    ("typical_p", OptionType::Number),
    ("repeat_last_n", OptionType::Integer),
    ("temperature", OptionType::Number),
    ("repeat_penalty", OptionType::Number),
    ("presence_penalty", OptionType::Number),
    ("frequency_penalty", OptionType::Number),
    ("stop", OptionType::Texts),
    ("num_ctx", OptionType::Integer),
    ("num_batch", OptionType::Integer),
    ("num_gpu", OptionType::Integer),
    ("main_gpu", OptionType::Integer),
    ("use_mmap", OptionType::Bool),
    ("num_thread", OptionType::Integer),
    ("draft_num_predict", OptionType::Integer),
];

/// The error for an invalid option text.
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

    /// The options that Ollama knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// Whether Ollama knows an option. Ollama ignores unknown options; other servers may use them.
    pub fn is_known(name: &str) -> bool {
        Self::names().any(|known| known == name)
    }

    /// Sets an option from text, for example `temperature` and `0.2`. `stop` may be set repeatedly. The value
    /// of an option that Ollama does not know is a number, a boolean or a list if the text is one in JSON,
    /// else the text.
    ///
    /// # Errors
    /// A value of the wrong type, which Ollama would reject.
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), BadOption> {
        let Some((_, takes)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            self.0.insert(name.to_owned(), value);
            return Ok(());
        };
        let wrong = |kind: &str| BadOption(format!("option {name} takes {kind}, not {text:?}"));
        let value = match takes {
            OptionType::Integer => Value::from(text.parse::<i64>().map_err(|_| wrong("a whole number"))?),
            OptionType::Number => {
                let number: f64 = text.parse().map_err(|_| wrong("a number"))?;
                serde_json::Number::from_f64(number)
                    .map(Value::Number)
                    .ok_or_else(|| wrong("a finite number"))?
            }
            // In the notation of Go's `strconv.ParseBool`.
            OptionType::Bool => match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
                _ => return Err(wrong("true or false")),
            },
            OptionType::Texts => {
                let mut texts = self.0.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                texts.push(Value::from(text));
                Value::Array(texts)
            }
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }
}

/// Whether, and how much, a model thinks before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Think {
    /// Think as much as the model does by default.
    On,
    /// Do not think.
    Off,
    /// Think at this level: `low`, `medium`, `high` or `max`, for models with levels.
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

impl<'de> Deserialize<'de> for Think {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(true) => Ok(Self::On),
            Value::Bool(false) => Ok(Self::Off),
            Value::String(level) => Ok(Self::Level(level)),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(D::Error::custom("think must be true, false or a level such as \"high\""))
            }
        }
    }
}

/// The required format of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Any JSON.
    Json,
    /// JSON that matches this schema.
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

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(word) if word == "json" => Ok(Self::Json),
            schema @ Value::Object(_) => Ok(Self::Schema(schema)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(D::Error::custom("format must be \"json\" or a JSON schema, which is an object"))
            }
        }
    }
}

/// How long the server keeps the model loaded after the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepAlive {
    /// This long. Zero unloads it at once.
    For(Duration),
    /// Until the server exits.
    Forever,
    /// A duration as text, which the server parses, for example `1h30m`.
    Text(String),
}

impl Serialize for KeepAlive {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            // Ollama stores the time as a signed number of nanoseconds; a longer time outlives any server.
            Self::For(time) if i64::try_from(time.as_nanos()).is_ok() => {
                to.serialize_str(&format!("{}ms", time.as_nanos().div_ceil(1_000_000)))
            }
            Self::For(_) | Self::Forever => to.serialize_i64(-1),
            Self::Text(text) => to.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for KeepAlive {
    /// A number of seconds, negative for no limit. A text is left to the server, except the form that
    /// [`For`](Self::For) writes.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Number(seconds) => Ok(seconds
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map_or(Self::Forever, Self::For)),
            Value::String(text) => Ok(match text.strip_suffix("ms").and_then(|number| number.parse().ok()) {
                Some(milliseconds) => Self::For(Duration::from_millis(milliseconds)),
                None => Self::Text(text),
            }),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(D::Error::custom("keep_alive must be a number of seconds or a text such as \"5m\""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(json: &str) -> Result<KeepAlive, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn keep_alive_is_a_number_or_what_the_server_reads() {
        let of = |seconds| Some(KeepAlive::For(Duration::from_secs_f64(seconds)));
        let text = |text: &str| Some(KeepAlive::Text(text.to_owned()));
        let cases = [
            ("300", of(300.0)),
            ("0", of(0.0)),
            ("1.5", of(1.5)),
            ("-1", Some(KeepAlive::Forever)),
            (r#""300ms""#, of(0.3)),
            (r#""1h30m""#, text("1h30m")),
            (r#""-1m""#, text("-1m")),
            ("true", None),
        ];
        for (json, expected) in cases {
            assert_eq!(keep(json).ok(), expected, "{json}");
        }
    }

    #[test]
    fn think_and_format_read_what_they_write() {
        for json in ["true", "false", r#""high""#] {
            let think: Think = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&think).unwrap(), json);
        }
        assert!(serde_json::from_str::<Think>("1").is_err());
        for json in [r#""json""#, r#"{"type":"object"}"#] {
            let format: Format = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&format).unwrap(), json);
        }
        assert!(serde_json::from_str::<Format>(r#""xml""#).is_err());
    }
}
