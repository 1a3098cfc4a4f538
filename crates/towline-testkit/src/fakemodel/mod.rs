//! A fake model server: the model's name chooses how the stream goes.
//!
//! It answers Ollama's `/api/chat`, `/api/generate`, `/api/pull`, `/api/tags`, `/api/ps`, `/api/show` and
//! `/api/version`, and `/v1/chat/completions` and `/v1/models`. The binary `fakemodel` serves it to programs
//! that are not Rust; a Rust test takes [`plan`]:
//!
//! ```
//! let server = towline_testkit::Server::start(towline_testkit::fakemodel::plan());
//! ```
//!
//! [`Scenario`] lists the names. `RATE` is in records a second, `N` counts records.

mod render;
mod scenario;

use serde_json::json;

use crate::{
    http::{self, Request},
    script::Script,
    server::Plan,
};
use render::Dialect;
pub use scenario::Scenario;

/// The plan that serves the fake models.
pub fn plan() -> Plan {
    Plan::by_request(answer)
}

fn answer(request: &Request) -> Script {
    let dialect = match request.path() {
        "/" => return Script::respond(200, "text/plain", "Ollama is running"),
        "/api/version" => return json_body(json!({ "version": "0.33.0" })),
        "/api/tags" => return json_body(json!({ "models": models() })),
        "/api/ps" => return json_body(json!({ "models": [] })),
        "/v1/models" => return json_body(json!({ "object": "list", "data": openai_models() })),
        "/api/show" => return show(request),
        "/api/chat" => Dialect::Chat,
        "/api/generate" => Dialect::Generate,
        "/api/pull" => Dialect::Pull,
        "/v1/chat/completions" => Dialect::OpenAi,
        path => return Script::error(404, &format!("the fake model has no {path}")),
    };
    match scenario_of(request) {
        Ok(scenario) => render::script(&scenario, dialect, request),
        Err(missing) => missing,
    }
}

fn scenario_of(request: &Request) -> Result<Scenario, Script> {
    let model = request.model().unwrap_or_default();
    let name = model.strip_suffix(":latest").unwrap_or(&model);
    name.parse().map_err(|_| Script::error(404, &format!("model '{model}' not found")))
}

fn show(request: &Request) -> Script {
    match scenario_of(request) {
        Ok(_) => json_body(json!({
            "details": details(), "model_info": { "general.architecture": "fake" },
            "capabilities": ["completion", "tools", "thinking"],
        })),
        Err(missing) => missing,
    }
}

fn models() -> Vec<serde_json::Value> {
    let model = |name: &&str| {
        json!({
            "name": name, "model": name, "modified_at": "2026-08-21T09:00:00Z", "size": 1000,
            "digest": "0000000000000000000000000000000000000000000000000000000000000000", "details": details(),
        })
    };
    Scenario::EXAMPLES.iter().map(model).collect()
}

fn openai_models() -> Vec<serde_json::Value> {
    Scenario::EXAMPLES.iter().map(|name| json!({ "id": name, "object": "model", "created": 0 })).collect()
}

fn details() -> serde_json::Value {
    json!({ "format": "gguf", "family": "fake", "parameter_size": "0", "quantization_level": "Q8_0" })
}

fn json_body(body: serde_json::Value) -> Script {
    Script::respond(200, http::JSON, body.to_string())
}
