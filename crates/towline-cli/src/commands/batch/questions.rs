//! The file of questions, as requests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use towline::api::{Format, Options, Think};
use towline::{ChatRequest, Message};
use towline_app::settings::think_level;

use crate::exit::failure::Failure;
use crate::input::{self, Encoding};
use crate::output;

/// Maximum size of the file, in bytes.
const FILE_BYTES: u64 = 1 << 30;
/// Length of the part of a request's digest that identifies it, in bytes.
const KEY_BYTES: usize = 12;

/// A question of the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"prompt\": \"What is a river?\"}")]
pub struct Question {
    #[serde(alias = "question")]
    prompt: String,
    /// The user's id for it.
    id: Option<Value>,
    model: Option<String>,
    system: Option<String>,
    options: Option<Options>,
    format: Option<Value>,
    think: Option<Value>,
    #[serde(default)]
    images: Vec<PathBuf>,
}

/// A question to a model.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The position of the question in the file, from 1.
    pub number: usize,
    /// The user's id for it.
    pub id: Option<Value>,
    /// The request.
    pub question: String,
    /// The request.
    pub request: ChatRequest,
    /// The key, derived from the request, its server, and the number of equal ones before it, so that it is
    /// the same in the next run.
    pub key: String,
}

/// The questions of a file, one per line: text, or a JSON object.
///
/// # Errors
/// An unreadable file, a file without questions, or the line that is invalid.
pub fn read(path: &Path, encoding: Option<Encoding>) -> Result<Vec<Question>, Failure> {
    let bytes = input::bytes(path, FILE_BYTES).map_err(Failure::usage)?;
    let shown = path.display();
    let text = input::text(&bytes, encoding).ok_or_else(|| {
        Failure::usage_with(format!("{shown} is not text"), "--encoding sets the encoding of other text")
    })?;
    if let Some(warning) = text.warning(&shown.to_string()) {
        output::warning(&warning);
    }
    let questions = parse(&text.text).map_err(|wrong| Failure::usage(format!("{shown}: {wrong}")))?;
    if questions.is_empty() {
        return Err(Failure::usage_with(
            format!("{shown} has no question"),
            "write one on each line, or a JSON object with prompt on each line",
        ));
    }
    Ok(questions)
}

/// Blank lines are skipped.
fn parse(text: &str) -> Result<Vec<Question>, String> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty());
    let question = |(number, line): (usize, &str)| {
        if !is_json(line) {
            return Ok(Question { prompt: line.to_owned(), ..Question::default() });
        }
        let question: Question = serde_json::from_str(line)
            .map_err(|error| format!("line {number} is not a question: {error}"))?;
        if question.prompt.trim().is_empty() && question.images.is_empty() {
            return Err(format!("line {number} has an empty prompt"));
        }
        Ok(question)
    };
    lines.map(question).collect()
}

/// Whether a line is JSON: an object begins with a key, and no question does.
fn is_json(line: &str) -> bool {
    line.strip_prefix('{').is_some_and(|rest| {
        let rest = rest.trim_start();
        rest.is_empty() || rest.starts_with(['"', '}'])
    })
}

/// Whether each question names its model.
pub fn name_models(questions: &[Question]) -> bool {
    questions.iter().all(|question| question.model.is_some())
}

/// Each question for its own model, else for each of `models`. `common` has the settings that questions do
/// not set themselves; `server` is the named model server, if any, because an answer from another server is a
/// different answer.
///
/// # Errors
/// Which question is wrong, and why.
pub fn asks(
    questions: &[Question],
    models: &[String],
    common: &ChatRequest,
    system: Option<&str>,
    server: Option<&str>,
) -> Result<Vec<Ask>, Failure> {
    let mut asks = Vec::new();
    let mut same: HashMap<[u8; KEY_BYTES], usize> = HashMap::new();
    for (at, question) in questions.iter().enumerate() {
        let number = at + 1;
        let request = question
            .request(common, system)
            .map_err(|wrong| Failure::usage(format!("question {number}: {wrong}")))?;
        let own = question.model.as_ref().map(std::slice::from_ref);
        for model in own.unwrap_or(models) {
            let request = ChatRequest { model: model.clone(), ..request.clone() };
            let digest = digest(&request, server)?;
            let before = same.entry(digest).or_default();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let key = if *before == 0 { hex } else { format!("{hex}-{before}") };
            *before += 1;
            let (id, question) = (question.id.clone(), question.prompt.clone());
            asks.push(Ask { number, id, question, request, key });
        }
    }
    Ok(asks)
}

fn digest(request: &ChatRequest, server: Option<&str>) -> Result<[u8; KEY_BYTES], Failure> {
    let written = serde_json::to_vec(&(request, server))
        .map_err(|error| Failure::usage(format!("the request cannot be written: {error}")))?;
    let digest: [u8; 32] = Sha256::digest(&written).into();
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&digest[..KEY_BYTES]);
    Ok(key)
}

impl Question {
    /// The request without the model.
    fn request(&self, common: &ChatRequest, system: Option<&str>) -> Result<ChatRequest, String> {
        let mut request = common.clone();
        request.options.0.extend(self.options.clone().unwrap_or_default().0);
        if let Some(format) = &self.format {
            request.format = Some(match format {
                Value::String(json) if json == "json" => Format::Json,
                Value::Object(_) => Format::Schema(format.clone()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    return Err("format takes \"json\" or a JSON schema".to_owned());
                }
            });
        }
        if let Some(think) = &self.think {
            request.think = Some(match (think.as_bool(), think.as_str()) {
                (Some(true), _) => Think::On,
                (Some(false), _) => Think::Off,
                (None, Some(level)) => think_level(level)?,
                (None, None) => return Err("think takes true, false or a level".to_owned()),
            });
        }
        if let Some(system) = self.system.as_deref().or(system) {
            request = request.system(system);
        }
        let mut message = Message::user(&self.prompt);
        for image in &self.images {
            message = message.with_image(&input::image(image)?);
        }
        Ok(request.message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, models: &[&str], server: Option<&str>) -> Vec<String> {
        let models: Vec<String> = models.iter().map(|&model| model.to_owned()).collect();
        let common = ChatRequest::default();
        let asks = asks(&parse(text).unwrap(), &models, &common, Some("be brief"), server).unwrap();
        asks.into_iter().map(|ask| ask.key).collect()
    }

    #[test]
    fn a_line_is_a_question_and_so_is_an_object() {
        let questions = parse("\n one \n\n{two}\n").unwrap();
        assert_eq!(questions.iter().map(|q| q.prompt.as_str()).collect::<Vec<_>>(), ["one", "{two}"]);
        let questions =
            parse("{\"prompt\":\"a\",\"id\":7}\n\n{\"question\":\"b\",\"model\":\"m\"}\n").unwrap();
        assert_eq!((questions[0].id.clone(), questions[1].model.as_deref()), (Some(7.into()), Some("m")));
        let both = parse("one\n{ \"prompt\": \"a\", \"id\": 7 }\ntwo").unwrap();
        assert_eq!(both.iter().map(|q| q.prompt.as_str()).collect::<Vec<_>>(), ["one", "a", "two"]);
        assert_eq!(both[1].id, Some(7.into()));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, expected) in [
            ("a\n{\"prompt\":\"a\"", "line 2 is not a question"),
            ("{\n  \"prompt\": \"a\"\n}", "line 1 is not a question"),
            ("{\"prompt\":\"a\",\"sytem\":\"b\"}", "unknown field `sytem`"),
            ("{\"prompt\":\" \"}", "line 1 has an empty prompt"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for (field, expected) in
            [("\"format\":3", "format takes"), ("\"think\":3", "think takes"), ("\"think\":\"x\"", "levels")]
        {
            let question: Question = serde_json::from_str(&format!("{{\"prompt\":\"a\",{field}}}")).unwrap();
            let error = question.request(&ChatRequest::default(), None).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_key_stays_with_its_question_wherever_that_stands() {
        let first = keys("one\ntwo\none", &["m", "n"], None);
        assert_eq!(first.len(), 6);
        assert_eq!(first.iter().collect::<std::collections::HashSet<_>>().len(), 6, "{first:?}");
        let later = keys("zero\none\ntwo\none", &["m", "n"], None);
        assert_eq!(later[2..], first[..]);
    }

    #[test]
    fn an_answer_of_another_server_is_another_answer() {
        let of = |server| keys("one", &["m"], server);
        assert_ne!(of(Some("gpu1:11434")), of(Some("gpu2:11434")));
        assert_ne!(of(Some("gpu1:11434")), of(None));
    }

    #[test]
    fn what_a_question_says_takes_precedence() {
        let common = ChatRequest::default().option("seed", 1).option("top_k", 2);
        let text =
            r#"{"prompt":"a","system":"s","options":{"seed":3},"format":"json","think":false,"model":"own"}"#;
        let asks = asks(&parse(text).unwrap(), &["m".into()], &common, Some("t"), None).unwrap();
        let request = &asks[0].request;
        assert_eq!((request.model.as_str(), asks.len()), ("own", 1));
        assert_eq!((&request.options.0["seed"], &request.options.0["top_k"]), (&3.into(), &2.into()));
        assert_eq!((&request.format, &request.think), (&Some(Format::Json), &Some(Think::Off)));
        assert_eq!(request.messages[0].content, "s");
    }
}
