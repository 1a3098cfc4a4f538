//! Control over jobs: list, watch, one, cancel, deadline, pause, delete.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use towline::relay::JobState;
use towline_core::job::Deadline;

use super::answer::{Answer, Code, Refusal, empty, json_answer, typed};
use super::body::Body;
use super::{input, streams};
use crate::id::StreamId;
use crate::job::Job;
use crate::meta::{now_ms, rfc3339};
use crate::relay::{Caller, Relay, job_state};
use crate::shelf::Entry;

/// The longest body of an order, in bytes.
const ORDER_BYTES: usize = 64 << 10;
/// The longest wait for a job's end, in seconds.
const WAIT_SECONDS: u64 = 300;
/// Changes that wait for a slow watcher.
const WATCHED: usize = 16;
/// How often a watcher is told of what runs, besides changes.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// The longest reason for a cancel, in characters.
const REASON_CHARS: usize = 200;

const OPENAPI: &str = include_str!("../../../../docs/relay-openapi.yaml");

/// A job as it is shown.
#[derive(Debug, Clone, Serialize, PartialEq)]
struct Shown {
    id: String,
    name: String,
    model: String,
    path: String,
    upstream: String,
    state: JobState,
    created_at: String,
    ended_at: Option<String>,
    bytes: u64,
    records: u64,
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
        (&Method::GET, ["jobs"]) => list(relay, caller, request.uri().query()),
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
fn find(relay: &Relay, caller: &Caller, id: &str) -> Result<Entry, Refusal> {
    let missing = || Refusal::new(Code::NotFound, "there is no such job here");
    let id = StreamId::parse(id).ok_or_else(missing)?;
    let entry = relay.shelf.find(&caller.owner, &id).ok_or_else(missing)?;
    entry.log.look(|meta, _| meta.job.is_some()).then_some(entry).ok_or_else(missing)
}

/// The job of an entry; `None` for a stream that is no answer.
fn shown(entry: &Entry) -> Option<Shown> {
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

/// Which jobs are wanted.
#[derive(Debug, Clone, Default)]
struct Filter {
    running: Option<bool>,
    model: Option<String>,
    name: Option<String>,
}

impl Filter {
    fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let running = match input::query(query, "state")?.as_deref() {
            None | Some("all") => None,
            Some("running") => Some(true),
            Some("ended") => Some(false),
            Some(_) => return Err(Refusal::bad("state takes running, ended or all")),
        };
        Ok(Self { running, model: input::query(query, "model")?, name: input::query(query, "name")? })
    }

    fn takes(&self, entry: &Entry) -> bool {
        entry.log.look(|meta, _| {
            let Some(record) = &meta.job else { return false };
            let ended = job_state(entry.job.as_ref(), meta).is_some_and(|state| state.is_ended());
            self.running.is_none_or(|running| running != ended)
                && self.model.as_ref().is_none_or(|model| *model == record.model)
                && self.name.as_ref().is_none_or(|name| *name == record.name)
        })
    }
}

fn list(relay: &Arc<Relay>, caller: &Caller, query: Option<&str>) -> Result<Answer, Refusal> {
    let filter = Filter::read(query)?;
    match input::query(query, "watch")?.as_deref() {
        None | Some("false") => {
            let jobs: Vec<Shown> = wanted(relay, caller, &filter).iter().filter_map(shown).collect();
            Ok(json_answer(StatusCode::OK, &json!({"jobs": jobs})))
        }
        Some("true" | "") => Ok(watch(relay, caller.clone(), filter)),
        Some(_) => Err(Refusal::bad("watch takes true or false")),
    }
}

/// Oldest first.
fn wanted(relay: &Relay, caller: &Caller, filter: &Filter) -> Vec<Entry> {
    let mut entries = relay.shelf.list(Some(&caller.owner));
    entries.retain(|entry| filter.takes(entry));
    entries.sort_by_key(|entry| entry.log.no);
    entries
}

fn watch(relay: &Arc<Relay>, caller: Caller, filter: Filter) -> Answer {
    let (lines, pieces) = mpsc::channel(WATCHED);
    let own = Arc::clone(relay);
    relay.tasks.start(async move {
        let mut ending = own.ending.subscribe();
        tokio::select! {
            _ = tell(&own, &caller, &filter, &lines) => {}
            () = lines.closed() => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
    });
    typed(StatusCode::OK, "application/x-ndjson", Body::Pieces(pieces))
}

/// Tells of every job as it is, then of each change.
async fn tell(
    relay: &Relay,
    caller: &Caller,
    filter: &Filter,
    lines: &mpsc::Sender<Bytes>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    let mut changes = relay.shelf.watch();
    let mut pause = tokio::time::interval(WATCH_PAUSE);
    // What was told of, and how many bytes it had then.
    let mut told: HashMap<StreamId, u64> = HashMap::new();
    tell_all(relay, caller, filter, &mut told, lines).await?;
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(change) if change.owner != caller.owner => {}
                Ok(change) => match relay.shelf.find(&change.owner, &change.id) {
                    // One that no longer is what was asked for is told of once more.
                    Some(entry) if filter.takes(&entry) || told.remove(&change.id).is_some() => {
                        if let Some(job) = shown(&entry) {
                            if filter.takes(&entry) {
                                told.insert(change.id, job.bytes);
                            }
                            lines.send(line(&job)).await?;
                        }
                    }
                    Some(_) => {}
                    None if told.remove(&change.id).is_some() => {
                        lines.send(line(&json!({"removed": change.id.as_str()}))).await?;
                    }
                    None => {}
                },
                Err(RecvError::Lagged(_)) => tell_all(relay, caller, filter, &mut told, lines).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = pause.tick() => {
                for entry in relay.shelf.list(Some(&caller.owner)) {
                    let is_running = entry.job.as_ref().is_some_and(|job| !job.state().is_ended());
                    if !is_running || !filter.takes(&entry) {
                        continue;
                    }
                    let bytes = entry.log.seen().end.position;
                    if told.insert(entry.id.clone(), bytes) != Some(bytes)
                        && let Some(job) = shown(&entry)
                    {
                        lines.send(line(&job)).await?;
                    }
                }
            }
        }
    }
}

/// Tells of every job as it is, and of those that are gone since it last did.
async fn tell_all(
    relay: &Relay,
    caller: &Caller,
    filter: &Filter,
    told: &mut HashMap<StreamId, u64>,
    lines: &mpsc::Sender<Bytes>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    let mut before = std::mem::take(told);
    for entry in wanted(relay, caller, filter) {
        if let Some(job) = shown(&entry) {
            before.remove(&entry.id);
            told.insert(entry.id.clone(), job.bytes);
            lines.send(line(&job)).await?;
        }
    }
    for gone in before.into_keys() {
        lines.send(line(&json!({"removed": gone.as_str()}))).await?;
    }
    Ok(())
}

fn line(value: &impl Serialize) -> Bytes {
    // Plain data can always be said in JSON.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
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
    let body = input::whole(request.into_body(), ORDER_BYTES, relay.config.limits.body_time).await?;
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
