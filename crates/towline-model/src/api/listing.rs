//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use std::time::Duration;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Model;
use super::request::Named;
use super::response::{Body, json as respond};
use crate::brook::forward::CONTEXT;
use crate::brook::gguf::{Gguf, Tensor};
use crate::brook::{self, chat};
use crate::config::KeepAlive;

/// The version of Ollama's API that is spoken, then this crate's own.
const VERSION: &str = concat!("0.33.0-towline.", env!("CARGO_PKG_VERSION"));

/// What stands for no end where a moment is asked for: about as far ahead as Ollama's own.
const FOREVER: Duration = Duration::from_secs(292 * 365 * 24 * 3600);
/// Longest list that `/api/show` spells out where it is not asked to be verbose.
const SHORT_LIST: usize = 5;

pub(crate) fn version() -> Response<Body> {
    respond(StatusCode::OK, &json!({"version": VERSION}))
}

fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "2.76M",
        "quantization_level": "Q8_0",
    })
}

/// The SHA-256 of the file, as hexadecimal digits.
fn digest() -> String {
    Sha256::digest(brook::FILE).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn tags(model: &Model) -> Response<Body> {
    let brook = json!({
        "name": brook::NAME,
        "model": brook::NAME,
        "modified_at": model.since.to_string(),
        "size": brook::FILE.len(),
        "digest": digest(),
        "details": details(),
    });
    respond(StatusCode::OK, &json!({"models": [brook]}))
}

pub(crate) fn ps(model: &Model) -> Response<Body> {
    let running: Vec<Value> = model.resident.remaining().map(running).into_iter().collect();
    respond(StatusCode::OK, &json!({"models": running}))
}

fn running(remaining: KeepAlive) -> Value {
    let left = match remaining {
        KeepAlive::For(left) => left.min(FOREVER),
        KeepAlive::Forever => FOREVER,
    };
    let expires_at = Timestamp::now().checked_add(left).unwrap_or(Timestamp::MAX);
    json!({
        "name": brook::NAME,
        "model": brook::NAME,
        "size": brook::FILE.len(),
        "digest": digest(),
        "details": details(),
        "expires_at": expires_at.to_string(),
        "size_vram": 0,
        "context_length": CONTEXT,
    })
}

pub(crate) fn show(model: &Model, request: &Named) -> Response<Body> {
    let gguf = Gguf::read(brook::FILE);
    let (temperature, penalty) = (brook::TEMPERATURE, brook::REPEAT_PENALTY);
    let modelfile = format!(
        "# {}\nFROM {}\nTEMPLATE \"\"\"{}\"\"\"\nPARAMETER temperature {temperature}\nPARAMETER repeat_penalty {penalty}\n",
        brook::ABOUT,
        brook::NAME,
        chat::TEMPLATE,
    );
    let mut answer = json!({
        "license": gguf.keys.get("general.license"),
        "modelfile": modelfile,
        "parameters": format!("{:<30} {temperature}\n{:<30} {penalty}", "temperature", "repeat_penalty"),
        "template": chat::TEMPLATE,
        "system": request.system,
        "details": details(),
        "tensors": gguf.tensors.iter().map(tensor).collect::<Value>(),
        "capabilities": ["completion"],
        "modified_at": model.since.to_string(),
        "model_info": keys(gguf, request.verbose),
    });
    if let Some(answer) = answer.as_object_mut() {
        // Go leaves empty texts out.
        answer.retain(|_, value| value.as_str() != Some(""));
    }
    respond(StatusCode::OK, &answer)
}

/// The file's keys; long lists are left empty unless `verbose`.
fn keys(gguf: Gguf, verbose: bool) -> Map<String, Value> {
    let parameters = gguf.parameters();
    let mut keys = gguf.keys;
    keys.retain(|key, _| key != "general.name" && key != "tokenizer.chat_template");
    for value in keys.values_mut().filter(|_| !verbose) {
        if value.as_array().is_some_and(|list| list.len() > SHORT_LIST) {
            *value = json!([]);
        }
    }
    keys.insert("general.parameter_count".into(), json!(parameters));
    keys
}

fn tensor(tensor: &Tensor) -> Value {
    json!({"name": tensor.name, "type": tensor.kind.name(), "shape": tensor.shape})
}
