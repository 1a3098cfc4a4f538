//! The health check of one model server: whether it answers, and which models it has.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use towline::forward;
use towline_core::http1::{Headers, Method};

use super::Upstream;
use crate::config::UpstreamApi;

/// How long a server may take to list its models.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a list of models, in bytes.
const LIST_BYTES: usize = 8 << 20;

#[derive(Deserialize)]
struct OllamaList {
    models: Vec<OllamaModel>,
}

#[derive(Deserialize)]
struct OllamaModel {
    name: String,
}

#[derive(Deserialize)]
struct OpenAiList {
    data: Vec<OpenAiModel>,
}

#[derive(Deserialize)]
struct OpenAiModel {
    id: String,
}

pub(super) async fn check(upstream: &Upstream) {
    let path = match upstream.api {
        UpstreamApi::Ollama => "/api/tags",
        UpstreamApi::OpenAi => "/v1/models",
    };
    let answer = tokio::time::timeout(CHECK_TIMEOUT, get(upstream, path, Headers::new())).await;
    let Ok(Some((status, body))) = answer else { return upstream.set_healthy(false) };
    // A server without a list of models still answers.
    upstream.set_healthy(status < 500);
    let names: Option<HashSet<String>> = match upstream.api {
        UpstreamApi::Ollama => serde_json::from_slice::<OllamaList>(&body)
            .ok()
            .map(|list| list.models.into_iter().map(|model| model.name).collect()),
        UpstreamApi::OpenAi => serde_json::from_slice::<OpenAiList>(&body)
            .ok()
            .map(|list| list.data.into_iter().map(|model| model.id).collect()),
    };
    if let Some(names) = names {
        *upstream.models() = names;
    }
}

/// One short, complete response; `None` if there was none or it is too long.
pub(crate) async fn get(upstream: &Upstream, path: &str, headers: Headers) -> Option<(u16, Vec<u8>)> {
    let request = forward::Request {
        method: Method::Get,
        target: path.to_owned(),
        headers,
        body: forward::Body::Bytes(Bytes::new()),
    };
    let mut response = upstream.client().ready().await.ok()?.send(request).await.ok()?;
    let mut body = Vec::new();
    while std::future::poll_fn(|cx| response.body.poll_read(cx, &mut body)).await.ok()? > 0 {
        if body.len() > LIST_BYTES {
            return None;
        }
    }
    Some((response.status, body))
}
