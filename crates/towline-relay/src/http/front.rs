//! The front: requests for streamed answers from clients of Ollama, OpenAI and Anthropic.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CACHE_CONTROL;
use hyper::{HeaderMap, Request, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use towline::forward;
use towline_core::http1::{Headers, Method};

use super::answer::{Answer, Code, Refusal, Words, json_answer, plain, set};
use super::ask::{Ask, RequestBody, RequestHeaders, StartedRequest, choice, draining};
use super::body::Body;
use super::pass::{exchange, request_headers};
use super::{history, input, streams};
use crate::access::Caller;
use crate::config::WhenFull;
use crate::job::{Head, Job, Recorded};
use crate::log::{Broken, Ticket};
use crate::meta::Framing;
use crate::registry::{Entry, Reading};
use crate::relay::Relay;
use crate::secret::hex;
use crate::store::Room;
use crate::upstream::Choice;

/// Records the answer to a request, and sends it to the client as it arrives.
pub(super) async fn recorded(
    relay: &Arc<Relay>,
    kind: Recorded,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let mut options = RequestHeaders::read(&parts.headers)?;
    let choice = choice(relay, caller, &parts.headers)?;
    let input::ReceivedBody { bytes: body, room } =
        input::read(relay, body, relay.config.limits.body_bytes).await?;
    let digest = options.request_id.is_some().then(|| digest(kind, &body));
    let known = |id: &str| relay.registry.of_request(&caller.owner, id);
    let detach = options.detach;
    if let Some(entry) = options.request_id.as_deref().and_then(known) {
        return repeated(relay, entry, digest.as_deref(), detach).await;
    }
    if relay.is_draining() {
        return Err(draining());
    }
    let headers = request_headers(relay, &parts.headers);
    let room_of_store = relay.writer.store().room();
    if room_of_store != Room::Enough {
        let pass = relay.config.store.full == WhenFull::Pass && !detach;
        return if room_of_store == Room::Failed && relay.shared.is_some() && !pass {
            Err(streams::broken(Broken::Store("Redis does not answer".into())))
        } else if pass {
            unrecorded(relay, kind, &choice, headers, body).await
        } else {
            Err(streams::broken(Broken::Full))
        };
    }
    let reserved = match (&relay.shared, &options.request_id) {
        (Some(shared), Some(id)) => {
            if !shared.reserve(caller.owner.as_str(), id).await.map_err(streams::store_failed)? {
                let _is_fresh = relay.fresh().await;
                let entry = known(id).ok_or_else(|| streams::broken(Broken::Taken))?;
                return repeated(relay, entry, digest.as_deref(), detach).await;
            }
            Some((shared, id.clone()))
        }
        (Some(_) | None, _) => None,
    };
    let place = history::ask(relay, caller, &mut options, &body).await;
    let ask = Ask { kind, options, choice, headers, body, room, digest: digest.clone(), retry_of: None };
    let begun = history::begin(relay, caller, place, ask).await;
    if let (Some((shared, id)), Err(_)) = (&reserved, &begun) {
        shared.release(caller.owner.as_str(), id).await;
    }
    match begun? {
        StartedRequest::Known(entry) => repeated(relay, entry, digest.as_deref(), detach).await,
        StartedRequest::New { entry, ticket, reading: None, .. } => accepted(&entry, ticket).await,
        StartedRequest::New { job, reading: Some(reading), .. } => send_answer(relay, reading, &job).await,
    }
}

/// Responds to a detached request, once its job would survive a crash.
pub(super) async fn accepted(entry: &Entry, ticket: Ticket) -> Result<Answer, Refusal> {
    entry.log.written(ticket).await.map_err(streams::broken)?;
    Ok(detached(entry, StatusCode::ACCEPTED))
}

/// Passes the answer through while the store cannot record it.
async fn unrecorded(
    relay: &Relay,
    kind: Recorded,
    choice: &Choice,
    headers: Headers,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let upstreams = relay.upstreams.for_request(kind.path(), RequestBody::read(&body).model(), choice);
    let request = forward::Request {
        method: Method::Post,
        target: kind.path().to_owned(),
        headers,
        body: forward::Body::Bytes(body),
    };
    exchange(relay, &upstreams, request).await
}

/// The digest of a request's path and body.
fn digest(kind: Recorded, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(kind.path().as_bytes());
    digest.update(b"\n");
    digest.update(body);
    hex(&digest.finalize())
}

/// The response to a repeated request.
async fn repeated(
    relay: &Arc<Relay>,
    entry: Entry,
    digest: Option<&str>,
    detach: bool,
) -> Result<Answer, Refusal> {
    let is_another = entry.log.with_meta(|meta, _| {
        let known = meta.job.as_ref().and_then(|job| job.request_digest.as_deref());
        known.is_some_and(|known| Some(known) != digest)
    });
    if is_another {
        let message =
            "this Towline-Request-Id was used for another path or body; a new request needs a new id";
        return Err(Refusal::new(Code::RequestIdTaken, message));
    }
    if detach {
        entry.log.written(entry.log.creation()).await.map_err(streams::broken)?;
        return Ok(detached(&entry, StatusCode::OK));
    }
    let job = entry.job.clone();
    let reading = relay.attach(entry).ok_or_else(|| streams::too_many_readers(relay))?;
    match job {
        Some(job) => send_answer(relay, reading, &job).await,
        // The process that knew the head has ended.
        None => {
            let head = Head::Open { status: 200, headers: HeaderMap::new() };
            Ok(live(relay, reading, Some(head)))
        }
    }
}

/// Sends the answer as it arrives. A client of a stream gets heartbeats: when the model server has been
/// silent for the heartbeat time, the relay sends the head of a successful response.
async fn send_answer(relay: &Arc<Relay>, reading: Reading, job: &Job) -> Result<Answer, Refusal> {
    let patience = match job.framing {
        Framing::Events => Some(relay.config.times.heartbeat),
        Framing::Lines => relay.config.times.heartbeat_lines,
        Framing::Whole => None,
    };
    let head = match patience {
        None => Some(job.head().await),
        Some(patience) => tokio::time::timeout(patience, job.head()).await.ok(),
    };
    Ok(live(relay, reading, head))
}

/// The answer from its beginning. Without a head it begins with a heartbeat.
fn live(relay: &Relay, reading: Reading, head: Option<Head>) -> Answer {
    let entry = reading.entry.clone();
    let (content_type, framing, words, ended) = entry.log.with_meta(|meta, _| {
        let job = meta.job.as_ref();
        let framing = job.map_or(Framing::Events, |job| job.framing);
        let words = job.map_or(Words::Relay, |job| Words::of_path(&job.path));
        (meta.content_type.clone(), framing, words, job.and_then(|job| job.ended.clone()))
    });
    let is_silent = head.is_none();
    let head = head.unwrap_or_else(|| Head::Open { status: 200, headers: HeaderMap::new() });
    let mut answer = match head {
        Head::Open { status, headers } => {
            let times = &relay.config.times;
            let every = match framing {
                Framing::Events if content_type.starts_with("text/event-stream") => Some(times.heartbeat),
                Framing::Lines => times.heartbeat_lines,
                Framing::Events | Framing::Whole => None,
            };
            let mut body = Body::live(reading, 0, false, u64::MAX);
            if let Some(every) = every {
                body = body.with_heartbeat(every, framing, is_silent);
            }
            let mut answer = with_headers(status, headers, Body::Live(Box::new(body)));
            set(&mut answer, "content-type", &content_type);
            if framing == Framing::Events && !answer.headers().contains_key(CACHE_CONTROL) {
                set(&mut answer, "cache-control", "no-cache");
            }
            answer
        }
        Head::Refused { status, headers, body } => with_headers(status, headers, Body::whole(body)),
        Head::None { status, message } => {
            let mut answer = Refusal::new(Code::BadGateway, message).answer_in(words);
            *answer.status_mut() = status_of(status);
            answer
        }
        Head::Pending => unreachable!("a head that is waited for is known"),
    };
    set(&mut answer, "towline-stream", entry.id.as_str());
    if let Some(ended) = ended.filter(|_| framing == Framing::Whole) {
        set(&mut answer, "towline-outcome", ended.as_str());
    }
    answer
}

fn with_headers(status: u16, headers: HeaderMap, body: Body) -> Answer {
    let mut answer = plain(status_of(status), body);
    *answer.headers_mut() = headers;
    answer
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

fn detached(entry: &Entry, status: StatusCode) -> Answer {
    let stream = format!("/streams/{}", entry.id);
    let name = entry.log.with_meta(|meta, _| meta.job.as_ref().map(|job| job.name.clone()));
    let body = json!({"id": entry.id.as_str(), "name": name, "stream": stream});
    let mut answer = json_answer(status, &body);
    // Relative to the request's URL, because the client may use any name for this relay.
    set(&mut answer, "location", &stream);
    set(&mut answer, "towline-stream", entry.id.as_str());
    answer
}
