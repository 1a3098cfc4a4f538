//! Control over a job: look, cancel, deadline, pause, delete.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use towline::relay::JobState;
use towline_core::job::Deadline;

use super::answer::{Answer, Code, Refusal, empty, json_answer, typed};
use super::body::Body;
use super::{input, jobs, streams};
use crate::id::StreamId;
use crate::job::Job;
use crate::meta::{now_ms, rfc3339};
use crate::relay::{Caller, Relay, job_state};
use crate::shelf::Entry;

/// The longest body of an order, in bytes.
const ORDER_BYTES: usize = 64 << 10;
/// The longest wait for a job's end, in seconds.
const WAIT_SECONDS: u64 = 300;
/// The longest reason for a cancel, in characters.
const REASON_CHARS: usize = 200;

const OPENAPI: &str = include_str!("../../../../docs/relay-openapi.yaml");

/// A job as it is shown.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub(super) struct Shown {
    id: String,
    name: String,
    model: String,
    path: String,
    upstream: String,
    pub(super) state: JobState,
    created_at: String,
    ended_at: Option<String>,
    pub(super) bytes: u64,
    records: u64,
    not_understood: u64,
    tokens_per_second: Option<f64>,
    age_s: f64,
    since_last_s: Option<f64>,
    deadline_s: Option<f64>,
    readers: usize,
    detached: bool,
    offset: String,
    content_type: String,
    cause: Option<String>,
}

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
        (&Method::POST, ["jobs", id, order]) => {
            let entry = find(relay, caller, id)?;
            ordered(relay, &entry, order, request).await
        }
        (&Method::GET, ["version"]) => Ok(version(relay)),
        (&Method::GET, ["openapi.yaml"]) => {
            Ok(typed(StatusCode::OK, "application/yaml", Body::whole(OPENAPI)))
        }
        (&Method::POST, ["shutdown"]) => shutdown(relay, caller),
        (_, ["jobs" | "version" | "openapi.yaml"]) => Err(Refusal::wrong_method("GET")),
        (_, ["jobs", _]) => Err(Refusal::wrong_method("GET, DELETE")),
        (_, ["jobs", _, _] | ["shutdown"]) => Err(Refusal::wrong_method("POST")),
        _ => Err(Refusal::no_such_path(request.uri().path())),
    }
}

/// The job; those of others are not there.
pub(super) fn find(relay: &Relay, caller: &Caller, id: &str) -> Result<Entry, Refusal> {
    let missing = || Refusal::new(Code::NotFound, "there is no such job here");
    let id = StreamId::parse(id).ok_or_else(missing)?;
    let entry = relay.shelf.find(&caller.owner, &id).ok_or_else(missing)?;
    entry.log.look(|meta, _| meta.job.is_some()).then_some(entry).ok_or_else(missing)
}

/// The job of an entry; `None` for a stream that is no answer.
pub(super) fn shown(entry: &Entry) -> Option<Shown> {
    let look = entry.job.as_ref().map(|job| job.look());
    let end = entry.log.seen().end;
    entry.log.look(|meta, bytes| {
        let record = meta.job.as_ref()?;
        let state = job_state(entry.job.as_ref(), meta)?;
        let running = look.filter(|_| !state.is_ended());
        let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let until = record.ended_ms.unwrap_or_else(now_ms);
        Some(Shown {
            id: entry.id.as_str().to_owned(),
            name: record.name.clone(),
            model: record.model.clone(),
            path: record.path.clone(),
            upstream: running.as_ref().map_or_else(|| record.upstream.clone(), |look| look.upstream.clone()),
            state,
            created_at: rfc3339(meta.created_ms),
            ended_at: record.ended_ms.map(rfc3339),
            bytes,
            records: running.as_ref().map_or(record.records, |look| look.records),
            not_understood: record.not_understood,
            tokens_per_second: running
                .as_ref()
                .map_or(record.tokens_per_second, |look| look.tokens_per_second)
                .map(|rate| (rate * 10.0).round() / 10.0),
            age_s: until.saturating_sub(meta.created_ms) as f64 / 1000.0,
            since_last_s: running.as_ref().and_then(|look| look.since_last).map(seconds),
            deadline_s: running.as_ref().and_then(|look| look.deadline).map(seconds),
            readers: running.as_ref().map_or(0, |look| look.readers),
            detached: running.as_ref().map_or(record.detached, |look| look.detached),
            offset: end.to_string(),
            content_type: meta.content_type.clone(),
            cause: record.cause.clone(),
        })
    })
}

fn job_answer(entry: &Entry, status: StatusCode) -> Result<Answer, Refusal> {
    let shown = shown(entry).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such job here"))?;
    Ok(json_answer(status, &shown))
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

async fn ordered(
    relay: &Relay,
    entry: &Entry,
    order: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let body = input::whole(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let over = || {
        let message = "the job is over, so there is nothing left to order";
        Refusal::new(Code::Conflict, message)
    };
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
                Some(Ok(())) => job_answer(entry, StatusCode::ACCEPTED),
                Some(Err(_)) | None => job_answer(entry, StatusCode::OK),
            }
        }
        "deadline" => {
            let deadline = deadline(parsed(&body)?)?;
            job.ok_or_else(over)?.set_deadline(deadline).map_err(|_| over())?;
            job_answer(entry, StatusCode::OK)
        }
        "pause" | "unpause" => {
            job.ok_or_else(over)?.set_paused(order == "pause").map_err(|_| over())?;
            job_answer(entry, StatusCode::OK)
        }
        _ => Err(Refusal::new(Code::NotFound, "there are cancel, deadline, pause and unpause")),
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body is not what is expected: {error}")))
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
    let listening = relay.listening.get().cloned().unwrap_or_default();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": relay.began.elapsed().as_secs(),
        "listen": listening,
    });
    json_answer(StatusCode::OK, &body)
}

fn shutdown(relay: &Relay, caller: &Caller) -> Result<Answer, Refusal> {
    if !caller.over_unix {
        return Err(Refusal::new(Code::Forbidden, "only over the Unix socket can the relay be told to end"));
    }
    relay.ending.send_replace(true);
    Ok(json_answer(StatusCode::ACCEPTED, &json!({"ending": true})))
}
