//! The `options` of a request, with Ollama's names, types and defaults.

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;

use super::error::Refusal;
use super::request::Fields;
use crate::brook::forward::CONTEXT;
use crate::config::KeepAlive;
use crate::engine::answer::Settings;
use crate::engine::sample::Sampling;

/// When a prompt is cut, at least one part in this many of the context is kept free for the answer.
const ANSWER_SHARE: usize = 4;

/// The options of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    /// Number of tokens that are kept at the start of a prompt that is too long.
    pub(crate) num_keep: usize,
}

impl Options {
    /// The options from these fields, on top of the defaults. Other fields are ignored, as in Ollama.
    ///
    /// # Errors
    /// A value of the wrong type.
    pub(crate) fn read(fields: &Fields, rate: Option<f32>) -> Result<Self, Refusal> {
        let (sampling, stop) = (Sampling::default(), Vec::new());
        let settings = Settings { sampling, stop, max_tokens: usize::MAX, context: CONTEXT, rate };
        let mut options = Self { settings, num_keep: 4 };
        fields.all().try_for_each(|(name, value)| options.set(name, value))?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let (settings, count) = (&mut self.settings, |number: i64| usize::try_from(number).ok());
        let sampling = &mut settings.sampling;
        let float = || read::<f32>(name, value, "float32");
        // As in Ollama, a fraction is truncated.
        let integer = || read::<f64>(name, value, "integer").map(|number| number as i64);
        match name {
            "temperature" => sampling.temperature = float()?,
            "top_k" => sampling.top_k = integer()?,
            "top_p" => sampling.top_p = float()?,
            "min_p" => sampling.min_p = float()?,
            "repeat_last_n" => sampling.repeat_last_n = integer()?,
            "repeat_penalty" => {
                sampling.repeat_penalty = float()?;
                if sampling.repeat_penalty <= 0.0 {
                    return Err(Refusal::bad(format!("option {name:?} must be above zero")));
                }
            }
            "presence_penalty" => sampling.presence_penalty = float()?,
            "frequency_penalty" => sampling.frequency_penalty = float()?,
            "seed" => sampling.seed = u64::try_from(integer()?).ok(),
            // Ollama expects a list, but many clients send a single text.
            "stop" if value.starts_with('"') => settings.stop = vec![read(name, value, "string")?],
            "stop" => settings.stop = read(name, value, "an array of strings")?,
            "num_predict" | "max_tokens" | "max_completion_tokens" => {
                settings.max_tokens = count(integer()?).unwrap_or(usize::MAX);
            }
            "num_keep" => self.num_keep = count(integer()?).unwrap_or(usize::MAX),
            "num_ctx" => settings.context = count(integer()?).unwrap_or(CONTEXT).clamp(1, CONTEXT),
            _ => {}
        }
        Ok(())
    }

    /// The maximum number of tokens of a cut prompt.
    pub(crate) fn room(&self) -> usize {
        let context = self.settings.context;
        let answer = (context / ANSWER_SHARE).min(self.settings.max_tokens).max(1);
        context.saturating_sub(answer).max(1)
    }
}

fn read<T: DeserializeOwned>(name: &str, value: &str, kind: &str) -> Result<T, Refusal> {
    let invalid = |_| Refusal::bad(format!("option {name:?} must be of type {kind}"));
    serde_json::from_str(value).map_err(invalid)
}

/// `keep_alive`: a number of seconds, or a duration in Go's notation; below zero means forever. `None` if the
/// request has none.
pub(crate) fn keep_alive(request: &Fields) -> Result<Option<KeepAlive>, Refusal> {
    let Some(value) = request.raw("keep_alive") else {
        return Ok(None);
    };
    let invalid = || {
        let why = "keep_alive must be a number of seconds, or a text like \"5m\"";
        Refusal::bad(format!("invalid duration {value}: {why}"))
    };
    let seconds = match serde_json::from_str::<f64>(value.trim_matches('"')) {
        Ok(0.0) => 0.0,
        Ok(seconds) if !value.starts_with('"') => seconds,
        Ok(_) | Err(_) => {
            let text: String = serde_json::from_str(value).map_err(|_| invalid())?;
            text.parse::<SignedDuration>().map_err(|_| invalid())?.as_secs_f64()
        }
    };
    if seconds < 0.0 {
        return Ok(Some(KeepAlive::Forever));
    }
    Ok(Some(Duration::try_from_secs_f64(seconds).map_or(KeepAlive::Forever, KeepAlive::For)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<Options, &str>) {
        match (Options::read(&Fields::parse(json.as_bytes()).unwrap(), None), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{json}"),
            (found, Err(expected)) => assert_eq!(found.unwrap_err().text, expected, "{json}"),
            (Err(refusal), Ok(_)) => panic!("{json}: {refusal:?}"),
        }
    }

    #[test]
    fn options_are_read_by_name_and_type() {
        let plain = Options::read(&Fields::parse(b"{}").unwrap(), None).unwrap();
        check(r#"{"unknown": [], "temperature": null}"#, Ok(plain.clone()));
        let sampling = Sampling { temperature: 0.0, top_k: 7, ..plain.settings.sampling.clone() };
        let settings = Settings { sampling, stop: vec!["x".into()], max_tokens: 5, context: 9, rate: None };
        for stop in [r#""x""#, r#"["x"]"#] {
            let json =
                r#"{"temperature": 0, "top_k": 7.9, "seed": -1, "num_predict": 5, "num_ctx": 9, "stop": "#;
            check(&format!("{json}{stop}}}"), Ok(Options { settings: settings.clone(), ..plain.clone() }));
        }
        check(r#"{"num_predict": -1, "num_ctx": 100000}"#, Ok(plain));
        check(r#"{"temperature": "hot"}"#, Err("option \"temperature\" must be of type float32"));
        check(r#"{"top_k": "7"}"#, Err("option \"top_k\" must be of type integer"));
        check(r#"{"stop": [1]}"#, Err("option \"stop\" must be of type an array of strings"));
        check(r#"{"repeat_penalty": 0}"#, Err("option \"repeat_penalty\" must be above zero"));
    }

    #[test]
    fn a_time_to_stay_is_a_number_or_a_duration() {
        let time = |seconds| Some(KeepAlive::For(Duration::from_secs_f64(seconds)));
        for (text, expected) in [
            ("0", time(0.0)),
            ("300", time(300.0)),
            ("0.5", time(0.5)),
            ("-1", Some(KeepAlive::Forever)),
            ("1e300", Some(KeepAlive::Forever)),
            ("\"5m\"", time(300.0)),
            ("\"1h30m\"", time(5400.0)),
            ("\"1.5s\"", time(1.5)),
            ("\"100ms\"", time(0.1)),
            ("\"0\"", time(0.0)),
            ("\"0s\"", time(0.0)),
            ("\"-1m\"", Some(KeepAlive::Forever)),
            ("\"\"", None),
            ("\"-\"", None),
            ("\"5\"", None),
            ("\"soon\"", None),
            ("true", None),
        ] {
            let request = Fields::parse(format!("{{\"keep_alive\": {text}}}").as_bytes()).unwrap();
            assert_eq!(keep_alive(&request).ok(), expected.map(Some), "{text}");
        }
    }
}
