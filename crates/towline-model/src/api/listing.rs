//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use std::time::Duration;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalog::{Catalog, Entry, Place};
use super::options::DEFAULT_CONTEXT;
use super::request::Named;
use super::response::{Body, json as respond};
use crate::config::KeepAlive;

/// The version of Ollama's API that is spoken, then this crate's own.
pub(crate) const VERSION: &str = concat!("0.33.0-towline.", env!("CARGO_PKG_VERSION"));

/// What stands for ever where a moment is asked for: about as far ahead as Ollama's own.
const FOREVER: Duration = Duration::from_secs(292 * 365 * 24 * 3600);

pub(crate) fn version() -> Response<Body> {
    respond(StatusCode::OK, &json!({"version": VERSION}))
}

fn details(entry: &Entry) -> Value {
    let description = &entry.description;
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": description.family,
        "families": [description.family],
        "parameter_size": description.parameter_size(),
        "quantization_level": description.quantization(),
    })
}

pub(crate) fn tags(catalog: &Catalog) -> Response<Body> {
    let model = |entry: &Entry| {
        json!({
            "name": entry.name,
            "model": entry.name,
            "modified_at": entry.modified_at,
            "size": entry.description.header.file_bytes,
            "digest": entry.description.digest,
            "details": details(entry),
        })
    };
    let models: Vec<Value> = catalog.entries.iter().map(model).collect();
    respond(StatusCode::OK, &json!({"models": models}))
}

/// Cancel safety: cancellation safe.
pub(crate) async fn ps(catalog: &Catalog) -> Response<Body> {
    let mut models = Vec::new();
    for entry in &catalog.entries {
        match &entry.place {
            Place::Here(here) => models.extend(here.resident.remaining().map(|left| running(entry, left))),
            Place::Child(child) => models.extend(child.ps().await),
        }
    }
    respond(StatusCode::OK, &json!({"models": models}))
}

fn running(entry: &Entry, remaining: KeepAlive) -> Value {
    let left = match remaining {
        KeepAlive::For(left) => left.min(FOREVER),
        KeepAlive::Forever => FOREVER,
    };
    let expires_at = Timestamp::now().checked_add(left).unwrap_or(Timestamp::MAX);
    json!({
        "name": entry.name,
        "model": entry.name,
        "size": entry.description.header.file_bytes,
        "digest": entry.description.digest,
        "details": details(entry),
        "expires_at": expires_at.to_string(),
        "size_vram": 0,
        "context_length": entry.description.context.min(DEFAULT_CONTEXT),
    })
}

pub(crate) fn show(entry: &Entry, request: &Named) -> Response<Body> {
    let description = &entry.description;
    let template = description.template.source();
    let line = |(name, value): &(&str, &str)| format!("{name:<30} {value}");
    let parameters: Vec<String> = entry.parameters.iter().map(line).collect();
    let setting = |(name, value): &(&str, &str)| format!("PARAMETER {name} {value}\n");
    let settings: String = entry.parameters.iter().map(setting).collect();
    let modelfile =
        format!("# {}\nFROM {}\nTEMPLATE \"\"\"{template}\"\"\"\n{settings}", entry.about, entry.name);
    let mut answer = json!({
        "license": description.license(),
        "modelfile": modelfile,
        "parameters": parameters.join("\n"),
        "template": template,
        "system": request.system,
        "details": details(entry),
        "model_info": description.keys(request.verbose),
        "tensors": description.tensors(),
        "capabilities": ["completion"],
        "modified_at": entry.modified_at,
    });
    if let Some(answer) = answer.as_object_mut() {
        // Go leaves empty texts out.
        answer.retain(|_, value| value.as_str() != Some(""));
    }
    respond(StatusCode::OK, &answer)
}
