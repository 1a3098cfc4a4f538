//! The front: requests for streamed answers, as the clients of Ollama, OpenAI and Anthropic make them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CACHE_CONTROL;
use hyper::{HeaderMap, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use towline::forward;
use towline_core::http1::Method;

use super::answer::{Answer, Code, Refusal, Words, json_answer, plain, set};
use super::body::Body;
use super::pass::{NO_OLLAMA, exchange, request_headers};
use super::{input, streams};
use crate::config::WhenFull;
use crate::housekeeping;
use crate::id::StreamId;
use crate::job::{Framing, Head, Job, JobRecord, NoPlace, Recorded, Task};
use crate::log::Broken;
use crate::meta::Meta;
use crate::relay::{Caller, NotBegun, Relay};
use crate::shelf::{Entry, NotMade, Reading};
use crate::store::Room;

/// The longest name of a job, in characters.
const NAME_CHARS: usize = 200;
/// The longest name of a model, in bytes.
const MODEL_BYTES: usize = 1024;
/// The longest request id, in bytes.
const REQUEST_ID_BYTES: usize = 128;

/// What our own headers ask for.
struct RequestHeaders {
    detach: bool,
    request_id: Option<String>,
    name: String,
    deadline: Option<Duration>,
}

impl RequestHeaders {
    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let request_id = input::header(headers, "towline-request-id")?.map(str::to_owned);
        let is_id = |id: &String| {
            let fits = (1..=REQUEST_ID_BYTES).contains(&id.len());
            fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if request_id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(Refusal::bad("Towline-Request-Id takes 1 to 128 letters, digits, - and _"));
        }
        let deadline = match input::header(headers, "towline-deadline")? {
            None => None,
            Some(text) => Some(input::seconds(text).ok_or_else(|| {
                Refusal::bad("Towline-Deadline takes a number of seconds, for example 30 or 2.5")
            })?),
        };
        let name =
            headers.get("towline-name").map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        let name: String =
            name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        Ok(Self { detach: input::is_true(headers, "towline-detach"), request_id, name, deadline })
    }
}

/// The parts of a request's body that decide where it goes and how it is answered.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RequestBody {
    model: Option<String>,
    /// The older name of `model`. Ollama's own client sends both, one of them empty.
    name: Option<String>,
    /// Of a copy.
    source: Option<String>,
    stream: Option<bool>,
}

impl RequestBody {
    /// What a body that is no JSON object of this kind says is nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The model that it is about; empty when it names none.
    pub(super) fn model(&self) -> &str {
        let named = [&self.model, &self.name, &self.source].into_iter().flatten();
        named.map(String::as_str).find(|name| !name.is_empty()).unwrap_or_default()
    }
}

/// Records the answer to a request, and gives it to the client as it comes.
pub(super) async fn recorded(
    relay: &Arc<Relay>,
    kind: Recorded,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let asked = RequestHeaders::read(&parts.headers)?;
    let limits = &relay.config.limits;
    let input::Held { bytes: body, room } = input::whole(relay, body, limits.body_bytes).await?;
    let digest = asked.request_id.is_some().then(|| digest(kind, &body));
    let known = asked.request_id.as_deref().and_then(|id| relay.shelf.of_request(&caller.owner, id));
    if let Some(entry) = known {
        return again(relay, entry, digest.as_deref(), asked.detach).await;
    }
    if relay.writer.store().room() != Room::Enough {
        let pass = relay.config.store.full == WhenFull::Pass && !asked.detach;
        return if pass {
            unrecorded(relay, kind, &parts.headers, body).await
        } else {
            Err(streams::broken(Broken::Full))
        };
    }
    let permit = relay.may_begin(&caller.owner).map_err(|why| refused(relay, why))?;
    let read = RequestBody::read(&body);
    let model = read.model().to_owned();
    if model.len() > MODEL_BYTES {
        return Err(Refusal::bad(format!("the name of the model is longer than {MODEL_BYTES} bytes")));
    }
    let framing = kind.framing(read.stream);
    let upstreams = if kind.keeps_models() {
        relay.upstreams.for_keeping(&model)
    } else {
        relay.upstreams.for_request(kind.path(), &model)
    };
    if upstreams.is_empty() {
        return Err(Refusal::new(Code::NotFound, NO_OLLAMA));
    }
    let id = StreamId::random();
    let mut meta = Meta::new(id, caller.owner.clone(), framing.content_type(), relay.shelf.incarnation());
    meta.job = Some(JobRecord {
        name: asked.name,
        model,
        path: kind.path().to_owned(),
        upstream: upstreams.first().map(|upstream| upstream.name().to_owned()).unwrap_or_default(),
        request_id: asked.request_id.clone(),
        request_digest: digest.clone(),
        framing,
        detached: asked.detach,
        ended: None,
        ended_ms: None,
        cause: None,
        records: 0,
        not_understood: 0,
        tokens_per_second: None,
    });
    housekeeping::make_place(relay, &caller.owner);
    let begun = |log: &Arc<crate::log::Log>| {
        Some(Job::new(Arc::clone(log), kind, framing, asked.detach, asked.deadline))
    };
    let (entry, ticket) = match relay.shelf.make(meta, asked.request_id.as_deref(), b"", begun) {
        Ok(made) => made,
        Err(NotMade::Exists(entry)) => return again(relay, entry, digest.as_deref(), asked.detach).await,
        Err(NotMade::Full) => return Err(streams::too_many(relay)),
    };
    let Some(job) = entry.job.clone() else { unreachable!("a recorded stream is made with its job") };
    let task = Task {
        job: Arc::clone(&job),
        permit,
        upstreams,
        headers: request_headers(&parts.headers, relay.config.tokens.is_empty()),
        body,
        room,
        clocks: relay.config.clocks,
        log_bytes: limits.log_bytes,
    };
    // Before it begins, so that it is not without a reader.
    let reading = if asked.detach { None } else { relay.attach(entry.clone()) };
    relay.begin(entry.clone(), task);
    match reading {
        None => {
            // Accepted is what survives.
            entry.log.written(ticket).await.map_err(streams::broken)?;
            Ok(detached(&entry, StatusCode::ACCEPTED))
        }
        Some(reading) => given(relay, reading, &job).await,
    }
}

fn refused(relay: &Relay, why: NotBegun) -> Refusal {
    let places = relay.config.places();
    let message = |running: usize, queued: usize, whose: &str| {
        format!(
            "{running} answers run and {queued} wait for their turn, which is {whose} limit; try again later"
        )
    };
    let refusal = match why {
        NotBegun::Draining => {
            Refusal::new(Code::Unavailable, "the relay is ending and takes no new requests")
        }
        NotBegun::NoPlace(NoPlace::InAll) => {
            Refusal::new(Code::Limit, message(places.running, places.queued, "this relay's"))
        }
        NotBegun::NoPlace(NoPlace::OfOwner) => {
            Refusal::new(Code::Limit, message(places.own_running, places.own_queued, "one owner's"))
        }
    };
    refusal.with("retry-after", "1")
}

/// The answer as it comes, while nothing can be recorded.
async fn unrecorded(
    relay: &Relay,
    kind: Recorded,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let upstreams = relay.upstreams.for_request(kind.path(), RequestBody::read(&body).model());
    let request = forward::Request {
        method: Method::Post,
        target: kind.path().to_owned(),
        headers: request_headers(headers, relay.config.tokens.is_empty()),
        body: forward::Body::Bytes(body),
    };
    exchange(relay, &upstreams, request).await
}

/// Tells requests apart: by their path and body.
fn digest(kind: Recorded, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(kind.path().as_bytes());
    digest.update(b"\n");
    digest.update(body);
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer to a request that was made before.
async fn again(
    relay: &Arc<Relay>,
    entry: Entry,
    digest: Option<&str>,
    detach: bool,
) -> Result<Answer, Refusal> {
    let is_another = entry.log.look(|meta, _| {
        let known = meta.job.as_ref().and_then(|job| job.request_digest.as_deref());
        known.is_some_and(|known| Some(known) != digest)
    });
    if is_another {
        let message =
            "this Towline-Request-Id was used for another path or body; a new request takes a new id";
        return Err(Refusal::new(Code::RequestIdTaken, message));
    }
    if detach {
        return Ok(detached(&entry, StatusCode::OK));
    }
    let job = entry.job.clone();
    let reading = relay.attach(entry).ok_or_else(|| streams::too_many_readers(relay))?;
    match job {
        Some(job) => given(relay, reading, &job).await,
        // The process that knew its head is gone.
        None => {
            let head = Head::Open { status: 200, headers: HeaderMap::new() };
            Ok(live(relay, reading, Some(head)))
        }
    }
}

/// The answer as it comes. A client that asked for a stream is not left without a sign of life: once the model server has
/// been silent for the time of a heartbeat, the head is what it will be if all goes well.
async fn given(relay: &Arc<Relay>, reading: Reading, job: &Job) -> Result<Answer, Refusal> {
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

/// The answer from its beginning. Without a head it begins with a sign of life.
fn live(relay: &Relay, reading: Reading, head: Option<Head>) -> Answer {
    let entry = reading.entry.clone();
    let (content_type, framing, words, ended) = entry.log.look(|meta, _| {
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
    let mut answer = json_answer(status, &json!({"id": entry.id.as_str(), "stream": stream}));
    // Relative to what the client asked, whatever it calls this relay.
    set(&mut answer, "location", &stream);
    set(&mut answer, "towline-stream", entry.id.as_str());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_about_the_first_model_that_it_names() {
        let model = |body: &str| RequestBody::read(body.as_bytes()).model().to_owned();
        assert_eq!(model(r#"{"model":"a"}"#), "a");
        assert_eq!(model(r#"{"name":"a"}"#), "a");
        assert_eq!(model(r#"{"model":"","name":"a"}"#), "a");
        assert_eq!(model(r#"{"model":"a","name":"b"}"#), "a");
        assert_eq!(model(r#"{"model":null,"source":"a","destination":"b"}"#), "a");
        assert_eq!(model(r#"{"stream":false}"#), "");
        assert_eq!(model("not JSON"), "");
    }
}
