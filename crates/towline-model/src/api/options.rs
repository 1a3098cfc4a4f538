//! `options`: what a request may set, with Ollama's names, types and defaults.

use serde_json::{Map, Value};

use crate::brook::forward::CONTEXT;
use crate::brook::{REPEAT_PENALTY, TEMPERATURE};
use crate::engine::sample::Sampling;

/// An answer without a limit of its own ends after this many contexts, as in Ollama.
const CONTEXTS_PER_ANSWER: usize = 10;

/// The options of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
    /// Most tokens of the answer; below zero for no limit.
    pub(crate) num_predict: i64,
    /// Tokens at the start of a prompt that is too long which are kept.
    pub(crate) num_keep: usize,
    /// Tokens of prompt and answer together.
    pub(crate) num_ctx: Option<usize>,
}

impl Options {
    /// Ollama's defaults, with Brook's own sampling.
    pub(crate) fn new() -> Self {
        let sampling =
            Sampling { temperature: TEMPERATURE, repeat_penalty: REPEAT_PENALTY, ..Sampling::default() };
        Self { sampling, stop: Vec::new(), num_predict: -1, num_keep: 4, num_ctx: None }
    }

    /// Takes over what a request sets. Unknown names are ignored, as in Ollama.
    ///
    /// # Errors
    /// A value of the wrong type, in words.
    pub(crate) fn apply(&mut self, options: &Map<String, Value>) -> Result<(), String> {
        for (name, value) in options.iter().filter(|(_, value)| !value.is_null()) {
            let sampling = &mut self.sampling;
            match name.as_str() {
                "temperature" => sampling.temperature = float(name, value)?,
                "top_k" => sampling.top_k = integer(name, value)?,
                "top_p" => sampling.top_p = float(name, value)?,
                "min_p" => sampling.min_p = float(name, value)?,
                "repeat_last_n" => sampling.repeat_last_n = integer(name, value)?,
                "repeat_penalty" => sampling.repeat_penalty = penalty(name, value)?,
                "presence_penalty" => sampling.presence_penalty = float(name, value)?,
                "frequency_penalty" => sampling.frequency_penalty = float(name, value)?,
                "seed" => sampling.seed = u64::try_from(integer(name, value)?).ok(),
                "stop" => self.stop = texts(name, value)?,
                "num_predict" => self.num_predict = integer(name, value)?,
                "num_keep" => self.num_keep = usize::try_from(integer(name, value)?).unwrap_or(usize::MAX),
                "num_ctx" => {
                    self.num_ctx = usize::try_from(integer(name, value)?).ok().filter(|count| *count > 0)
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The context to use.
    pub(crate) fn context(&self) -> usize {
        self.num_ctx.unwrap_or(CONTEXT).min(CONTEXT)
    }

    /// Most tokens of the answer.
    pub(crate) fn max_tokens(&self) -> usize {
        usize::try_from(self.num_predict).unwrap_or(self.context() * CONTEXTS_PER_ANSWER)
    }
}

fn float(name: &str, value: &Value) -> Result<f32, String> {
    let number = value.as_f64().ok_or_else(|| format!("option {name:?} must be of type float32"))?;
    Ok(number as f32)
}

fn penalty(name: &str, value: &Value) -> Result<f32, String> {
    let number = float(name, value)?;
    if number > 0.0 { Ok(number) } else { Err(format!("option {name:?} must be above zero")) }
}

fn integer(name: &str, value: &Value) -> Result<i64, String> {
    // As in Ollama, a number with a fraction loses it.
    let number = value.as_i64().or_else(|| value.as_f64().map(|number| number as i64));
    number.ok_or_else(|| format!("option {name:?} must be of type integer"))
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, String> {
    // Ollama wants a list; a single text is what many clients send.
    if let Some(text) = value.as_str() {
        return Ok(vec![text.to_owned()]);
    }
    let list = value.as_array().ok_or_else(|| format!("option {name:?} must be of type array"))?;
    list.iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("option {name:?} must be of an array of strings"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(options: Value, expected: Result<Options, &str>) {
        let mut parsed = Options::new();
        let map = options.as_object().unwrap();
        let result = parsed.apply(map).map(|()| parsed);
        assert_eq!(result, expected.map_err(str::to_owned), "{options}");
    }

    #[test]
    fn options_are_read_by_name_and_type() {
        let plain = || Options::new();
        check(json!({}), Ok(plain()));
        check(json!({"unknown": [], "temperature": null}), Ok(plain()));
        check(
            json!({"temperature": 0, "top_k": 7.9, "seed": -1, "num_predict": 5, "stop": "x", "num_ctx": 9}),
            Ok(Options {
                sampling: Sampling { temperature: 0.0, top_k: 7, ..plain().sampling },
                stop: vec!["x".into()],
                num_predict: 5,
                num_ctx: Some(9),
                ..plain()
            }),
        );
        check(json!({"temperature": "hot"}), Err("option \"temperature\" must be of type float32"));
        check(json!({"top_k": "7"}), Err("option \"top_k\" must be of type integer"));
        check(json!({"stop": [1]}), Err("option \"stop\" must be of an array of strings"));
        check(json!({"repeat_penalty": 0}), Err("option \"repeat_penalty\" must be above zero"));
    }
}
