//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`, `/api/status` and `/v1/models`.

use std::sync::LazyLock;
use std::time::Duration;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Model;
use super::error::Refusal;
use super::request::Fields;
use super::response::{Body, json as respond, whole};
use crate::brook::forward::{CONTEXT, WIDTH};
use crate::brook::gguf::{Gguf, Tensor};
use crate::brook::{self, chat};
use crate::config::KeepAlive;

/// The supported version of Ollama's API, then this crate's own.
const VERSION: &str = concat!("0.33.0-towline.", env!("CARGO_PKG_VERSION"));
/// The model's abilities, in Ollama's terms.
const CAPABILITIES: [&str; 1] = ["completion"];

/// The time that means "forever", about as far ahead as Ollama's own.
const FOREVER: Duration = Duration::from_secs(292 * 365 * 24 * 3600);

pub(crate) fn root() -> Response<Body> {
    let text = "Towline's built-in model is running (Ollama API)";
    whole(StatusCode::OK, "text/plain; charset=utf-8", text)
}

pub(crate) fn version() -> Response<Body> {
    respond(StatusCode::OK, &json!({"version": VERSION}))
}

/// This server uses no cloud.
pub(crate) fn status() -> Response<Body> {
    respond(StatusCode::OK, &json!({"cloud": {"disabled": true, "source": "none"}}))
}

/// The list of models in OpenAI's format.
pub(crate) fn models(model: &Model) -> Response<Body> {
    let since = model.since.as_second();
    let brook = json!({"id": brook::NAME, "object": "model", "created": since, "owned_by": "library"});
    respond(StatusCode::OK, &json!({"object": "list", "data": [brook]}))
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

/// The common part of the lists of models and of loaded models.
fn entry() -> Value {
    // A relay lists its servers' models every few seconds; the file is hashed once.
    static DIGEST: LazyLock<String> =
        LazyLock::new(|| Sha256::digest(brook::FILE).iter().map(|byte| format!("{byte:02x}")).collect());
    let (name, size) = (brook::NAME, brook::FILE.len());
    json!({"name": name, "model": name, "size": size, "digest": *DIGEST, "details": details()})
}

pub(crate) fn tags(model: &Model) -> Response<Body> {
    let mut brook = entry();
    brook["modified_at"] = json!(model.since.to_string());
    brook["details"]["context_length"] = json!(CONTEXT);
    brook["details"]["embedding_length"] = json!(WIDTH);
    brook["capabilities"] = json!(CAPABILITIES);
    respond(StatusCode::OK, &json!({"models": [brook]}))
}

pub(crate) fn ps(model: &Model) -> Response<Body> {
    let running = |remaining| {
        let left = match remaining {
            KeepAlive::For(left) => left.min(FOREVER),
            KeepAlive::Forever => FOREVER,
        };
        let expires_at = Timestamp::now().checked_add(left).unwrap_or(Timestamp::MAX);
        let mut brook = entry();
        brook["expires_at"] = json!(expires_at.to_string());
        brook["size_vram"] = json!(0);
        brook["context_length"] = json!(CONTEXT);
        brook
    };
    let running: Vec<Value> = model.resident.remaining().map(running).into_iter().collect();
    respond(StatusCode::OK, &json!({"models": running}))
}

pub(crate) fn show(model: &Model, request: &Fields) -> Result<Response<Body>, Refusal> {
    let gguf = Gguf::read(brook::FILE);
    let parameters: usize = gguf.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    let tensor = |t: &Tensor| json!({"name": t.name, "type": t.kind, "shape": t.shape});
    let verbose = request.get("verbose")? == Some(true);
    let mut keys = gguf.keys;
    keys.retain(|key, _| key != "general.name" && key != "tokenizer.chat_template");
    // Lists are omitted unless requested.
    keys.values_mut().filter(|value| value.is_array() && !verbose).for_each(|list| *list = Value::Null);
    keys.insert("general.parameter_count".into(), json!(parameters));
    let (temperature, penalty) = (brook::TEMPERATURE, brook::REPEAT_PENALTY);
    let modelfile = format!(
        "# {}\nFROM {}\nTEMPLATE \"\"\"{}\"\"\"\nPARAMETER temperature {temperature}\nPARAMETER repeat_penalty {penalty}\n",
        brook::ABOUT,
        brook::NAME,
        chat::TEMPLATE,
    );
    let mut answer = json!({
        "license": keys.get("general.license"),
        "modelfile": modelfile,
        "parameters": format!("{:<30} {temperature}\n{:<30} {penalty}", "temperature", "repeat_penalty"),
        "template": chat::TEMPLATE,
        "details": details(),
        "tensors": gguf.tensors.iter().map(tensor).collect::<Value>(),
        "capabilities": CAPABILITIES,
        "modified_at": model.since.to_string(),
        "model_info": keys,
    });
    if let Some(system) = request.text("system")? {
        answer["system"] = json!(system);
    }
    Ok(respond(StatusCode::OK, &answer))
}
