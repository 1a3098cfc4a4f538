//! The models of a server, and the choice among them.

use std::time::Duration;

use serde_json::Value;
use towline::Error;
use towline::api::InstalledModel;
use towline::client::{RetryPolicy, Timeouts};
use towline::error::ErrorKind;

use crate::exit::failure::Complaint;
use crate::exit::failure::unless_stopped;
use crate::exit::stop::Stopper;
use crate::server::UNARY_TIMEOUTS;
use crate::server::{Server, ServerKind};
use towline_app::servers::{Environment, ServerSource};

/// Time limit for a hint.
const HINT_TIME: Duration = Duration::from_secs(3);
/// Minimum similarity of a name in a hint, 0 to 1.
const ALIKE: f64 = 0.75;
/// Maximum number of models that a message names.
const NAMED: usize = 12;

/// The result of choosing a model.
#[derive(Debug)]
pub enum Choice {
    /// This one.
    Model(Chosen),
    /// No model is named, and the server does not have exactly one.
    Unclear(Complaint),
}

/// A chosen model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub model: String,
    /// Whether the first word of the prompt is this name.
    pub by_first_word: bool,
}

/// Chooses the model: the typed one, else the first of several words if it is exactly an installed model's
/// name, else the one from the environment, else the server's only model. The server is asked only if nothing
/// else decides.
pub async fn choose(
    asked: Option<&str>,
    words: &[String],
    environment: &Environment,
    server: &Server,
) -> Result<Choice, Error> {
    let model = |model: &str| Choice::Model(Chosen { model: model.to_owned(), by_first_word: false });
    if let Some(asked) = asked {
        return Ok(model(asked));
    }
    let first = match words {
        [first, _, ..] if may_be_name(first) => Some(first.as_str()),
        _ => None,
    };
    let names = match (&server.kind, &environment.model, first) {
        (ServerKind::Builtin(builtin), ..) => Ok(vec![format!("{}:latest", builtin.model())]),
        (_, Some(named), None) => return Ok(model(named)),
        _ => names(server, UNARY_TIMEOUTS).await,
    };
    let is_first =
        |name: &String| first.is_some_and(|first| *name == first || *name == format!("{first}:latest"));
    if let Some(first) = first.filter(|_| names.iter().flatten().any(is_first)) {
        return Ok(Choice::Model(Chosen { model: first.to_owned(), by_first_word: true }));
    }
    if let Some(named) = &environment.model {
        return Ok(model(named));
    }
    if let ServerKind::Builtin(builtin) = &server.kind {
        return Ok(model(builtin.model()));
    }
    Ok(match names?.as_slice() {
        [only] => model(only),
        [] => Choice::Unclear(
            Complaint::new(format!("{} has no models", server.shown()))
                .hint("fetch one, for example: towline pull llama3.2"),
        ),
        several => Choice::Unclear(
            Complaint::new(format!("{} has several models: {}", server.shown(), enumerated(several)))
                .hint(format!("name one: -m {}, or TOWLINE_MODEL for all commands", several[0])),
        ),
    })
}

/// Whether a word can be a model's name.
pub fn may_be_name(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    word.chars().all(allowed) && word.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The models of a server, as it describes them: Ollama's list, or OpenAI's if the server knows only that.
pub async fn installed(server: &Server, timeouts: Timeouts) -> Result<Vec<Value>, Error> {
    let client = server.client.with_request_config(|config| config.timeouts = timeouts);
    let (mut answer, key): (Value, _) = match client.get_json("/api/tags").await {
        Ok(answer) => (answer, "models"),
        Err(error) if error.is_missing_endpoint() => {
            match client.get_json("/v1/models").await {
                Ok(answer) => (answer, "data"),
                // The first error is more relevant.
                Err(_) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    Ok(match answer[key].take() {
        Value::Array(models) => models,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    })
}

/// Whether the name `meant` refers to this model of a server: a name without a tag means the latest.
pub fn is_named(known: &str, meant: &str) -> bool {
    known == meant || known.strip_suffix(":latest") == Some(meant)
}

/// A model's description as typed data; fields that do not fit stay empty.
pub fn typed(model: &Value) -> InstalledModel {
    let mut typed: InstalledModel = serde_json::from_value(model.clone()).unwrap_or_default();
    if typed.name.is_empty() {
        let name = model.get("model").or_else(|| model.get("id")).and_then(Value::as_str);
        typed.name = name.unwrap_or_default().to_owned();
    }
    typed
}

async fn names(server: &Server, timeouts: Timeouts) -> Result<Vec<String>, Error> {
    let models = installed(server, timeouts).await?;
    Ok(models.iter().map(|model| typed(model).name).filter(|name| !name.is_empty()).collect())
}

/// The models with names similar to the missing one, as a hint. Asks the server, with a short time limit.
pub async fn similar(
    error: &Error,
    server: &Server,
    missing: Option<&str>,
    stopper: &mut Stopper,
) -> Option<String> {
    let is_model = error.kind == ErrorKind::NotFound && !error.is_missing_endpoint();
    let missing = missing.filter(|_| is_model)?;
    let mut timeouts = UNARY_TIMEOUTS;
    timeouts.total = Some(HINT_TIME);
    let impatient = Server {
        client: server.client.with_request_config(|config| config.retry = RetryPolicy::NEVER),
        kind: ServerKind::Found(ServerSource::Local),
    };
    let names = unless_stopped(names(&impatient, timeouts), stopper).await.ok()?.ok()?;
    let alike: Vec<String> = names.into_iter().filter(|name| is_alike(name, missing)).collect();
    (!alike.is_empty()).then(|| format!("installed with a similar name: {}", enumerated(&alike)))
}

fn is_alike(installed: &str, missing: &str) -> bool {
    let base = |name: &str| name.split(':').next().unwrap_or_default().to_lowercase();
    let (installed, missing) = (base(installed), base(missing));
    installed.starts_with(&missing)
        || missing.starts_with(&installed)
        || strsim::jaro_winkler(&installed, &missing) >= ALIKE
}

fn enumerated(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::is_alike;

    #[test]
    fn likeness_is_about_the_name_without_its_tag() {
        for (installed, missing, alike) in [
            ("llama3.2:latest", "llama3", true),
            ("llama3.2:1b", "llama3.2:70b", true),
            ("llama3.2:latest", "lama3.2", true),
            ("mistral:7b", "llama3.2", false),
            ("nomic-embed-text:latest", "qwen3", false),
        ] {
            assert_eq!(is_alike(installed, missing), alike, "{installed} {missing}");
        }
    }
}
