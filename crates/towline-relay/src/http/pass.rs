//! Requests that are passed through to a model server, unrecorded.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};
use towline::forward;
use towline_core::http1::{self, Headers};
use towline_core::span::Span;

use super::answer::{Answer, Code, Refusal, plain, set};
use super::ask::{RequestBody, choice};
use super::body::{Body, PassedBody};
use super::input;
use super::lists::List;
use super::route::Route;
use crate::access::Caller;
use crate::relay::Relay;
use crate::upstream::{NOT_PASSED, Upstream, VIA, for_client};

/// It avoids the word `model`, by which clients that try Ollama's API first distinguish a missing model from
/// a missing endpoint.
pub(super) const NO_OLLAMA: &str =
    "no server behind this relay speaks Ollama's API; they speak OpenAI's, under /v1";

/// The client's headers for a model server. A token for the relay is not forwarded.
pub(super) fn request_headers(relay: &Relay, headers: &HeaderMap) -> Headers {
    let with_authorization = relay.config.tokens.is_empty();
    let passed = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        let is_ours = name.starts_with("towline-") || (name == "authorization" && !with_authorization);
        !is_ours && !matches!(name, "origin" | "referer" | VIA) && !NOT_PASSED.contains(&name)
    });
    let mut passed: Headers = passed.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    passed.push(VIA, relay.hop.after(headers));
    passed
}

pub(super) async fn passed(
    relay: &Arc<Relay>,
    caller: &Caller,
    route: &Route,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let choice = choice(relay, caller, &parts.headers)?;
    let path = route.name.as_str();
    if parts.method == Method::GET
        && let Some(list) = List::of_path(path)
        && relay.upstreams.for_request(list.path(), "", &choice).len() > 1
    {
        return list.merged(relay, &choice, &parts.headers).await;
    }
    let method = match parts.method {
        Method::GET => http1::Method::Get,
        Method::HEAD => http1::Method::Head,
        Method::POST => http1::Method::Post,
        Method::PUT => http1::Method::Put,
        Method::DELETE => http1::Method::Delete,
        _ => return Err(Refusal::wrong_method("GET, HEAD, POST, PUT, DELETE")),
    };
    let _room;
    let broken = Arc::new(OnceLock::new());
    let (body, candidates) = if path.starts_with("/api/blobs/") {
        _room = None;
        let body = upload(relay, &parts.headers, body, Arc::clone(&broken));
        (body, relay.upstreams.for_keeping("", &choice))
    } else {
        let held = input::read(relay, body, relay.config.limits.body_bytes).await?;
        let candidates = relay.upstreams.for_request(path, RequestBody::read(&held.bytes).model(), &choice);
        _room = held.room;
        (forward::Body::Bytes(held.bytes), candidates)
    };
    if candidates.is_empty() {
        return Err(Refusal::new(Code::NotFound, NO_OLLAMA));
    }
    let target = match parts.uri.query() {
        Some(query) => format!("{}?{query}", route.target),
        None => route.target.clone(),
    };
    let headers = request_headers(relay, &parts.headers);
    let answered = exchange(relay, &candidates, forward::Request { method, target, headers, body }).await;
    // Bytes that the client did not send are not the model server's fault.
    answered.map_err(|refusal| match broken.get() {
        None => refusal,
        Some(BrokenUpload::Cut) => Refusal::bad("the request's body was cut"),
        Some(BrokenUpload::Stalled(patience)) => {
            let message = format!("no byte of the request's body arrived for {}", Span(*patience));
            Refusal::new(Code::Timeout, message)
        }
    })
}

pub(super) async fn exchange(
    relay: &Relay,
    candidates: &[Arc<Upstream>],
    request: forward::Request,
) -> Result<Answer, Refusal> {
    let mut why = String::new();
    for upstream in candidates {
        let lease = upstream.lease();
        let connect = relay.config.timeouts.connect.unwrap_or(Duration::MAX);
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
        let passed =
            PassedBody { body: response.body, buffer: Vec::new(), is_cut: false, lease: Some(lease) };
        let mut answer = plain(status, Body::Passed(Box::new(passed)));
        *answer.headers_mut() = for_client(&response.headers);
        if !response.headers.contains("content-encoding")
            && let Some(length) = response.headers.get("content-length")
        {
            set(&mut answer, "content-length", length);
        }
        return Ok(answer);
    }
    Err(Refusal::new(Code::BadGateway, why))
}

/// Streams an upload, with its length if the client sent it. It may pause for the time limit of a body.
fn upload(
    relay: &Relay,
    headers: &HeaderMap,
    body: Incoming,
    broken: Arc<OnceLock<BrokenUpload>>,
) -> forward::Body {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let len_bytes: Option<u64> = length.or_else(|| body.size_hint().exact());
    let patience = relay.config.limits.body_time;
    let pause = Box::pin(tokio::time::sleep(patience));
    forward::Body::Reader {
        len_bytes,
        reader: Box::pin(Upload { body, rest: Bytes::new(), patience, pause, broken }),
    }
}

/// The reason why the rest of an upload does not arrive.
enum BrokenUpload {
    Cut,
    /// No bytes arrived for this time.
    Stalled(Duration),
}

struct Upload {
    body: Incoming,
    rest: Bytes,
    patience: Duration,
    pause: Pin<Box<Sleep>>,
    /// Stored here, because the error of the model server's connection says less.
    broken: Arc<OnceLock<BrokenUpload>>,
}

impl AsyncRead for Upload {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => {
                    self.broken.get_or_init(|| BrokenUpload::Cut);
                    return Poll::Ready(Err(std::io::Error::other(error)));
                }
                Poll::Ready(Some(Ok(frame))) => self.rest = frame.into_data().unwrap_or_default(),
                Poll::Pending => {
                    ready!(self.pause.as_mut().poll(cx));
                    self.broken.get_or_init(|| BrokenUpload::Stalled(self.patience));
                    return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
                }
            }
        }
        let next = Instant::now() + self.patience;
        self.pause.as_mut().reset(next);
        let count = self.rest.len().min(out.remaining());
        out.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}
