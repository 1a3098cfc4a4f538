//! Requests that are passed through to a model server, unrecorded.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use towline::forward;
use towline_core::http1::{self, Headers};
use towline_core::span::Span;

use super::answer::{Answer, Code, Refusal, json_answer, plain};
use super::body::{Body, Passed};
use super::front::model_of;
use super::input;
use crate::relay::Relay;
use crate::upstream::{Upstream, look};

/// Headers about one connection, or that the next request has of its own.
const NOT_PASSED: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "accept-encoding",
    "cookie",
    "expect",
];

/// What a model server is told of a client's headers. A token for the relay stays here.
pub(super) fn request_headers(headers: &HeaderMap, with_authorization: bool) -> Headers {
    let passed = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        let is_ours = name.starts_with("towline-") || (name == "authorization" && !with_authorization);
        !is_ours && name != "origin" && name != "referer" && !NOT_PASSED.contains(&name)
    });
    passed.map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

pub(super) async fn passed(relay: &Arc<Relay>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if parts.method == Method::GET
        && relay.upstreams.all().len() > 1
        && let Some(list) = List::of_path(path)
    {
        return Ok(merged(relay, list).await);
    }
    let method = match parts.method {
        Method::GET => http1::Method::Get,
        Method::HEAD => http1::Method::Head,
        Method::POST => http1::Method::Post,
        Method::PUT => http1::Method::Put,
        Method::DELETE => http1::Method::Delete,
        _ => return Err(Refusal::wrong_method("GET, HEAD, POST, PUT, DELETE")),
    };
    let (body, model) = if path.starts_with("/api/blobs/") {
        (upload(&parts.headers, body)?, String::new())
    } else {
        let limits = &relay.config.limits;
        let bytes = input::whole(body, limits.body_bytes, limits.body_time).await?;
        let model = model_of(&bytes);
        (forward::Body::Bytes(bytes), model)
    };
    let candidates = match path.starts_with("/api/blobs/") {
        true => relay.upstreams.for_keeping(&model),
        false => relay.upstreams.for_request(path, &model),
    };
    let target = parts.uri.path_and_query().map_or(path, |target| target.as_str()).to_owned();
    let headers = request_headers(&parts.headers, relay.config.tokens.is_empty());
    exchange(relay, &candidates, forward::Request { method, target, headers, body }).await
}

async fn exchange(
    relay: &Relay,
    candidates: &[Arc<Upstream>],
    request: forward::Request,
) -> Result<Answer, Refusal> {
    let mut why = "no model server of this relay speaks Ollama's API".to_owned();
    for upstream in candidates {
        let lease = upstream.lease();
        let connect = relay.config.clocks.connect.unwrap_or(std::time::Duration::MAX);
        let ready = match tokio::time::timeout(connect, upstream.client().ready()).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => {
                lease.failed();
                why = error.message;
                continue;
            }
            Err(_) => {
                lease.failed();
                why = format!("the model server did not accept a connection within {}", Span(connect));
                continue;
            }
        };
        let response = ready.send(request).await;
        let response = response.map_err(|error| Refusal::new(Code::BadGateway, error.message))?;
        let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let passed = Passed { body: response.body, buffer: Vec::new(), is_cut: false, lease: Some(lease) };
        let mut answer = plain(status, Body::Passed(Box::new(passed)));
        // A compressed body was unpacked on the way.
        let was_packed = response.headers.contains("content-encoding");
        for (name, value) in response.headers.iter() {
            let name = name.to_ascii_lowercase();
            let is_length = name == "content-length" && !was_packed;
            if name == "content-encoding"
                || name.starts_with("access-control-")
                || (NOT_PASSED.contains(&name.as_str()) && !is_length)
            {
                continue;
            }
            let name = hyper::header::HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, hyper::header::HeaderValue::from_bytes(value)) {
                answer.headers_mut().append(name, value);
            }
        }
        return Ok(answer);
    }
    Err(Refusal::new(Code::BadGateway, why))
}

/// An upload goes on as it comes; its length must be known.
fn upload(headers: &HeaderMap, body: Incoming) -> Result<forward::Body, Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length: Option<u64> = length.or_else(|| body.size_hint().exact());
    let Some(len_bytes) = length else {
        return Err(Refusal::bad("an upload needs a Content-Length"));
    };
    Ok(forward::Body::Reader { len_bytes, reader: Box::pin(Upload { body, rest: Bytes::new() }) })
}

struct Upload {
    body: Incoming,
    rest: Bytes,
}

impl AsyncRead for Upload {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(std::io::Error::other(error))),
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
            }
        }
        let count = self.rest.len().min(out.remaining());
        out.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Lists that are put together from all model servers.
#[derive(Debug, Clone, Copy)]
enum List {
    Models,
    Running,
    OpenAiModels,
}

impl List {
    fn of_path(path: &str) -> Option<Self> {
        match path {
            "/api/tags" => Some(Self::Models),
            "/api/ps" => Some(Self::Running),
            "/v1/models" => Some(Self::OpenAiModels),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
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
}

async fn merged(relay: &Relay, list: List) -> Answer {
    let mut all: Vec<Value> = Vec::new();
    for upstream in relay.upstreams.for_request(list.path(), "") {
        let Some((200, body)) = look::get(&upstream, list.path()).await else { continue };
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else { continue };
        let Some(Value::Array(items)) = answer.remove(list.key()) else { continue };
        for item in items {
            let name = |item: &Value| item.get("name").or_else(|| item.get("id")).cloned();
            if !all.iter().any(|known| name(known) == name(&item)) {
                all.push(item);
            }
        }
    }
    let body = match list {
        List::Models | List::Running => json!({"models": all}),
        List::OpenAiModels => json!({"object": "list", "data": all}),
    };
    let mut answer = json_answer(StatusCode::OK, &body);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}
