//! Control of a job: status, cancel, deadline, pause, delete.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use towline::relay;
use towline_core::http1::Headers;
use towline_core::job::Deadline;

use super::answer::{Answer, Code, Refusal, empty, json_answer, typed};
use super::ask::{self, Ask, RequestHeaders, StartedRequest};
use super::body::Body;
use super::{backup, devices, front, history, input, jobs, streams};
use crate::access::Caller;
use crate::config::Role;
use crate::job::{Job, Recorded, Sent, job_state, name};
use crate::meta::{now_ms, rfc3339};
use crate::registry::{Entry, NotFound, RenameError};
use crate::relay::Relay;
use crate::store::StoreError;
use crate::upstream::Choice;

/// The maximum size of an order's body, in bytes.
pub(super) const ORDER_BYTES: usize = 64 << 10;
/// The longest wait for a job's end, in seconds.
const WAIT_SECONDS: u64 = 300;
/// The maximum length of the reason of a cancel, in characters.
const REASON_CHARS: usize = 200;

const OPENAPI: &str = include_str!("../../../../docs/relay-openapi.yaml");

pub(super) async fn answer(
    relay: &Arc<Relay>,
    caller: &Caller,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let method = request.method().clone();
    let parts: Vec<&str> = rest.split('/').collect();
    match (&method, parts.as_slice()) {
        (&Method::GET, ["jobs"]) => jobs::list(relay, caller, request.uri().query()),
        (&Method::GET, ["jobs", id]) => {
            let entry = find(relay, caller, id)?;
            one(&entry, request.uri().query()).await
        }
        (&Method::DELETE, ["jobs", id]) => {
            streams::remove(relay, &find(relay, caller, id)?).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        (&Method::GET, ["jobs", id, "request"]) => {
            let request = kept_request(relay, &find(relay, caller, id)?).await?;
            Ok(typed(StatusCode::OK, "application/json", Body::whole(request)))
        }
        (&Method::POST, ["jobs", id, "retry"]) => {
            let entry = find(relay, caller, id)?;
            retry(relay, caller, &entry, request.headers()).await
        }
        (&Method::POST, ["jobs", id, order]) => {
            let entry = find(relay, caller, id)?;
            ordered(relay, &entry, order, request).await
        }
        (&Method::GET, ["history"]) => history::list(relay, caller, request.uri().query()).await,
        (&Method::GET, ["history", id]) => history::one(relay, caller, id).await,
        (&Method::GET, ["version"]) => Ok(version(relay)),
        (&Method::GET, ["openapi.yaml"]) => {
            Ok(typed(StatusCode::OK, "application/yaml", Body::whole(OPENAPI)))
        }
        (&Method::POST, ["shutdown"]) => shutdown(relay, caller, request).await,
        (&Method::POST, ["backup"]) => backup::back_up(relay, caller, request).await,
        (&Method::POST, ["page"]) => devices::page(relay, caller).await,
        (&Method::POST, ["pair"]) => devices::pair(relay, caller, request).await,
        (&Method::GET, ["devices"]) => Ok(devices::list(relay, caller)),
        (&Method::POST, ["devices"]) => devices::link(relay, caller, request).await,
        (&Method::DELETE, ["devices", name]) => devices::revoke(relay, caller, name),
        (_, ["jobs" | "version" | "openapi.yaml" | "history"] | ["history", _]) => {
            Err(Refusal::wrong_method("GET"))
        }
        (_, ["jobs", _]) => Err(Refusal::wrong_method("GET, DELETE")),
        (_, ["jobs", _, "request"]) => Err(Refusal::wrong_method("GET")),
        (_, ["jobs", _, _] | ["shutdown" | "backup" | "page" | "pair"]) => Err(Refusal::wrong_method("POST")),
        (_, ["devices"]) => Err(Refusal::wrong_method("GET, POST")),
        (_, ["devices", _]) => Err(Refusal::wrong_method("DELETE")),
        _ => Err(Refusal::no_such_path(request.uri().path())),
    }
}

/// The job with this handle: its id, its name, or a unique prefix of its id. Jobs of other owners are not
/// found.
pub(super) fn find(relay: &Relay, caller: &Caller, handle: &str) -> Result<Entry, Refusal> {
    let handle = percent_decode_str(handle).decode_utf8_lossy();
    let shown: String = handle.chars().filter(|c| !c.is_control()).take(100).collect();
    let missing = || Refusal::new(Code::NotFound, format!("this relay has no answer \"{shown}\""));
    match relay.registry.resolve(&caller.owner, &handle) {
        Ok(entry) => entry.log.with_meta(|meta, _| meta.job.is_some()).then_some(entry).ok_or_else(missing),
        Err(NotFound::None) => Err(missing()),
        Err(NotFound::Several(count)) => Err(Refusal::bad(format!(
            "{count} answers have an id that begins with \"{shown}\": give more of it, or a name"
        ))),
    }
}

/// The job of an entry, for display; `None` for a stream that is not an answer.
pub(super) fn shown(entry: &Entry) -> Option<relay::Job> {
    let snapshot = entry.job.as_ref().map(|job| job.snapshot());
    let end = entry.log.visible().end;
    entry.log.with_meta(|meta, bytes| {
        let record = meta.job.as_ref()?;
        let state = job_state(entry.job.as_ref(), meta)?;
        let running = snapshot.filter(|_| !state.is_ended());
        let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let until = record.ended_ms.unwrap_or_else(now_ms);
        let mut job = relay::Job::new(entry.id.as_str(), state);
        job.name = Some(record.name.clone());
        job.number = record.number;
        job.question.clone_from(&record.question);
        job.questions_before = record.questions_before;
        job.conversation.clone_from(&record.conversation);
        job.turn.clone_from(&record.turn);
        job.asked_by.clone_from(&record.asked_by);
        job.group.clone_from(&record.group);
        job.sent = record.sent;
        job.retry_of = record.retry_of.as_ref().map(|id| id.as_str().to_owned());
        job.model = Some(record.model.clone());
        job.path.clone_from(&record.path);
        job.upstream = Some(running.as_ref().map_or(&record.upstream, |now| &now.upstream).clone());
        job.created_at = rfc3339(meta.created_ms);
        job.ended_at = record.ended_ms.map(rfc3339);
        job.bytes = bytes;
        job.records = running.as_ref().map_or(record.records, |now| now.records);
        job.not_understood = record.not_understood;
        job.tokens = running.as_ref().map_or(record.tokens, |now| now.tokens);
        let rate = running.as_ref().map_or(record.tokens_per_second, |now| now.tokens_per_second);
        job.tokens_per_second = rate.map(|rate| (rate * 10.0).round() / 10.0);
        job.age_s = until.saturating_sub(meta.created_ms) as f64 / 1000.0;
        job.since_last_s = running.as_ref().and_then(|now| now.since_last).map(seconds);
        job.deadline_s = running.as_ref().and_then(|now| now.deadline).map(seconds);
        job.readers = running.as_ref().map_or(0, |now| now.readers as u64);
        job.has_request = record.request_bytes.is_some();
        job.detached = running.as_ref().map_or(record.detached, |now| now.detached);
        job.offset = end.to_string();
        job.content_type = Some(meta.content_type.clone());
        job.cause.clone_from(&record.cause);
        Some(job)
    })
}

fn job_answer(entry: &Entry, status: StatusCode) -> Result<Answer, Refusal> {
    let shown = shown(entry).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such job here"))?;
    Ok(json_answer(status, &shown))
}

/// Repeats the request in a new job, on the same model server. The order can contain a key for it.
async fn retry(
    relay: &Arc<Relay>,
    caller: &Caller,
    entry: &Entry,
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    let body = kept_request(relay, entry).await?;
    let Some(record) = entry.log.with_meta(|meta, _| meta.job.clone()) else {
        return Err(Refusal::new(Code::NotFound, "there is no such job here"));
    };
    let named = ask::choice(relay, caller, headers)?;
    let is_same = named.stored() == record.server;
    let choice = match &record.server {
        Some(_) if is_same => named,
        Some(server) => ask::chosen(relay, caller, server)?,
        None => Choice::Any,
    };
    let with_key = is_same && relay.config.tokens.is_empty();
    let mut sent: Headers = [("content-type", "application/json")].into_iter().collect();
    if let Some(key) = headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok()).filter(|_| with_key) {
        sent.push("authorization", key);
    }
    let Some(kind) = Recorded::of_path(&record.path) else {
        return Err(Refusal::new(
            Code::Conflict,
            "an earlier version started this job, so it cannot be retried",
        ));
    };
    let mut options = RequestHeaders {
        detach: true,
        // Without a number that was added to it.
        name: record.name,
        conversation: record.conversation,
        turn: record.turn,
        asked_by: record.asked_by,
        group: record.group,
        group_running: record.group_running,
        keeps_request: true,
        ..RequestHeaders::default()
    };
    let retry_of = Some(entry.id.clone());
    let place = history::record_retry(relay, caller, &mut options).await;
    let ask = Ask { kind, options, choice, headers: sent, body, room: None, digest: None, retry_of };
    match history::begin(relay, caller, place, ask).await? {
        StartedRequest::New { entry, ticket, .. } => front::accepted(&entry, ticket).await,
        StartedRequest::Known(_) => unreachable!("a job without a request id is new"),
    }
}

/// The stored request of an answer.
async fn kept_request(relay: &Relay, entry: &Entry) -> Result<Bytes, Refusal> {
    let store = Arc::clone(relay.writer.store());
    let no = entry.log.no;
    let read = if store.is_memory() {
        store.request(no)
    } else {
        match tokio::task::spawn_blocking(move || store.request(no)).await {
            Ok(read) => read,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    };
    let failed = |error: StoreError| Refusal::new(Code::Unavailable, format!("the store failed: {error}"));
    read.map_err(failed)?.ok_or_else(|| {
        Refusal::new(Code::Conflict, "the request of this job was not kept, so it cannot be retried")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameOrder {
    name: String,
}

async fn rename(relay: &Relay, entry: &Entry, order: &RenameOrder) -> Result<Answer, Refusal> {
    let name = name::as_handle(&order.name);
    if name.is_empty() {
        return Err(Refusal::bad("a name takes letters and digits, with -, _ and . between them"));
    }
    // The relay that runs the job writes its record.
    if let Some(sent) = entry.job.as_ref().and_then(|job| job.rename_elsewhere(&name)) {
        arrived(sent).await?;
        return job_answer(entry, StatusCode::ACCEPTED);
    }
    match relay.registry.rename(entry, &name) {
        Ok(()) => job_answer(entry, StatusCode::OK),
        Err(RenameError::Taken) => Err(Refusal::new(
            Code::Conflict,
            format!("another job has the name {name}; choose a different one"),
        )),
        Err(RenameError::Broken(broken)) => Err(streams::broken(broken)),
    }
}

async fn one(entry: &Entry, query: Option<&str>) -> Result<Answer, Refusal> {
    if let Some(text) = input::query(query, "wait")? {
        let seconds = input::digits(&text).filter(|seconds| *seconds <= WAIT_SECONDS);
        let seconds = seconds.ok_or_else(|| {
            Refusal::bad(format!("wait takes a whole number of seconds up to {WAIT_SECONDS}"))
        })?;
        if let Some(job) = &entry.job {
            drop(tokio::time::timeout(Duration::from_secs(seconds), ended(job)).await);
        }
    }
    job_answer(entry, StatusCode::OK)
}

async fn ended(job: &Job) {
    let mut changes = job.watch();
    // The sender lives as long as the job.
    while !job.state().is_ended() && changes.changed().await.is_ok() {}
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelOrder {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadlineOrder {
    in_s: Option<f64>,
    extend_s: Option<f64>,
    none: Option<bool>,
}

/// Waits until an order has reached the relay that carries it out.
pub(super) async fn arrived(sent: Sent) -> Result<(), Refusal> {
    sent.arrived().await.map_err(streams::store_failed)
}

async fn ordered(
    relay: &Relay,
    entry: &Entry,
    order: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let over = || {
        let message = "the job has already ended, so it cannot be changed";
        Refusal::new(Code::Conflict, message)
    };
    if let Some(shared) = &relay.shared {
        shared.apply_pending_orders().await;
    }
    let job = entry.job.as_ref().filter(|job| !job.state().is_ended());
    match order {
        "cancel" => {
            let wanted: CancelOrder =
                if body.is_empty() { CancelOrder { reason: None } } else { parsed(&body)? };
            let reason: String = wanted
                .reason
                .unwrap_or_else(|| "by request".into())
                .chars()
                .filter(|c| !c.is_control())
                .take(REASON_CHARS)
                .collect();
            match job.map(|job| job.cancel(&reason)) {
                Some(Ok(sent)) => {
                    arrived(sent).await?;
                    job_answer(entry, StatusCode::ACCEPTED)
                }
                Some(Err(_)) | None => job_answer(entry, StatusCode::OK),
            }
        }
        "deadline" => {
            let deadline = deadline(parsed(&body)?)?;
            arrived(job.ok_or_else(over)?.set_deadline(deadline).map_err(|_| over())?).await?;
            job_answer(entry, StatusCode::OK)
        }
        "pause" | "unpause" => {
            arrived(job.ok_or_else(over)?.set_paused(order == "pause").map_err(|_| over())?).await?;
            job_answer(entry, StatusCode::OK)
        }
        "rename" => rename(relay, entry, &parsed(&body)?).await,
        _ => Err(Refusal::new(
            Code::NotFound,
            "the verbs are cancel, deadline, pause, unpause, rename and retry",
        )),
    }
}

pub(super) fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body has an unexpected form: {error}")))
}

fn deadline(order: DeadlineOrder) -> Result<Deadline, Refusal> {
    let wrong = || {
        Refusal::bad(
            "a deadline takes exactly one of {\"in_s\": 30}, {\"extend_s\": 10} and {\"none\": true}, in seconds",
        )
    };
    let time = |seconds: f64| input::seconds(&seconds.to_string()).ok_or_else(wrong);
    match order {
        DeadlineOrder { in_s: Some(seconds), extend_s: None, none: None } => Ok(Deadline::In(time(seconds)?)),
        DeadlineOrder { in_s: None, extend_s: Some(seconds), none: None } => {
            Ok(Deadline::ExtendBy(time(seconds)?))
        }
        DeadlineOrder { in_s: None, extend_s: None, none: Some(true) } => Ok(Deadline::Never),
        DeadlineOrder { in_s: _, extend_s: _, none: _ } => Err(wrong()),
    }
}

fn version(relay: &Relay) -> Answer {
    let listening: Vec<String> =
        relay.listening.get().into_iter().flatten().map(ToString::to_string).collect();
    let (running, queued) = relay.admission.count();
    let servers: Vec<_> = relay
        .upstreams
        .all()
        .iter()
        .map(|upstream| json!({"name": upstream.name(), "up": upstream.is_healthy()}))
        .collect();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": relay.began.elapsed().as_secs(),
        "listen": listening,
        "running": running + queued,
        "queued": queued,
        "streams": relay.registry.count(),
        "servers": servers,
    });
    json_answer(StatusCode::OK, &body)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShutdownOrder {
    #[serde(default)]
    if_idle: bool,
}

async fn shutdown(relay: &Relay, caller: &Caller, request: Request<Incoming>) -> Result<Answer, Refusal> {
    if !caller.roles.allow(Role::Admin) {
        let message = "ending the relay needs its Unix socket, or a token with the role admin";
        return Err(Refusal::new(Code::Forbidden, message));
    }
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let order: ShutdownOrder = if body.is_empty() { ShutdownOrder::default() } else { parsed(&body)? };
    let running = relay.running.load(Ordering::Relaxed);
    if order.if_idle && running > 0 {
        return Err(Refusal::new(Code::Conflict, format!("{running} answers run or wait for their turn")));
    }
    relay.end();
    Ok(json_answer(StatusCode::ACCEPTED, &json!({"ending": true})))
}
