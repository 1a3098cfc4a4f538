//! Lists that are merged from all model servers.

use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Code, Refusal, json_answer, set};
use crate::relay::Relay;
use crate::upstream::{Choice, Upstream, VIA, all, health};

/// How long a list waits for a silent model server.
const PATIENCE: Duration = Duration::from_secs(2);

/// A list of which every model server has a part.
#[derive(Debug, Clone, Copy)]
pub(super) enum List {
    Models,
    Running,
    OpenAiModels,
}

impl List {
    pub(super) fn of_path(path: &str) -> Option<Self> {
        match path {
            "/api/tags" => Some(Self::Models),
            "/api/ps" => Some(Self::Running),
            "/v1/models" => Some(Self::OpenAiModels),
            _ => None,
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Models => "/api/tags",
            Self::Running => "/api/ps",
            Self::OpenAiModels => "/v1/models",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Models | Self::Running => "models",
            Self::OpenAiModels => "data",
        }
    }

    /// The lists of the model servers, in the order of the configuration. `Towline-Missing` names the servers
    /// that do not answer in time.
    ///
    /// # Errors
    /// If none answers.
    pub(super) async fn merged(
        self,
        relay: &Relay,
        choice: &Choice,
        headers: &HeaderMap,
    ) -> Result<Answer, Refusal> {
        let mut upstreams = relay.upstreams.for_request(self.path(), "", choice);
        let place = |upstream: &Arc<Upstream>| {
            relay.upstreams.all().iter().position(|one| Arc::ptr_eq(one, upstream))
        };
        upstreams.sort_by_key(place);
        let via = relay.hop.after(headers);
        let parts = all(upstreams.iter().map(|upstream| self.of(upstream, &via)).collect()).await;
        let mut listed: Vec<Value> = Vec::new();
        let mut missing = Vec::new();
        for (upstream, part) in upstreams.iter().zip(parts) {
            let Some(items) = part else {
                missing.push(upstream.name());
                continue;
            };
            for item in items {
                let name = |item: &Value| item.get("name").or_else(|| item.get("id")).cloned();
                if !listed.iter().any(|known| name(known) == name(&item)) {
                    listed.push(item);
                }
            }
        }
        if missing.len() == upstreams.len() {
            let message = format!("no model server answers: {}", missing.join(", "));
            return Err(Refusal::new(Code::BadGateway, message));
        }
        let body = match self {
            Self::Models | Self::Running => json!({"models": listed}),
            Self::OpenAiModels => json!({"object": "list", "data": listed}),
        };
        let mut answer = json_answer(StatusCode::OK, &body);
        set(&mut answer, "content-type", "application/json; charset=utf-8");
        if !missing.is_empty() {
            set(&mut answer, "towline-missing", &missing.join(", "));
        }
        Ok(answer)
    }

    /// One server's part.
    async fn of(self, upstream: &Upstream, via: &str) -> Option<Vec<Value>> {
        let answer = tokio::time::timeout(
            PATIENCE,
            health::get(upstream, self.path(), [(VIA, via)].into_iter().collect()),
        )
        .await;
        let Ok(Some((200, body))) = answer else { return None };
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else { return None };
        match answer.remove(self.key())? {
            Value::Array(items) => Some(items),
            // Go writes an empty list this way.
            Value::Null => Some(Vec::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        }
    }
}
