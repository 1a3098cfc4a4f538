//! The front: requests for streamed answers, as Ollama and OpenAI clients make them.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{HeaderMap, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use towline_core::dialect::Dialect;

use super::answer::{Answer, Code, Refusal, json_answer, set, typed};
use super::body::Body;
use super::pass::request_headers;
use super::{input, streams};
use crate::id::StreamId;
use crate::job::{Head, Job, JobRecord, Recorded, Task};
use crate::meta::Meta;
use crate::relay::{Caller, NotBegun, Relay};
use crate::shelf::{Entry, NotMade};

/// The longest name of a job, in characters.
const NAME_CHARS: usize = 200;
/// The longest request id, in bytes.
const REQUEST_ID_BYTES: usize = 128;

/// What our own headers ask for.
struct Wishes {
    detach: bool,
    request_id: Option<String>,
    name: String,
    deadline: Option<Duration>,
}

impl Wishes {
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

/// The part of a request's body that decides where it goes.
#[derive(Deserialize)]
struct Named {
    #[serde(alias = "name")]
    model: Option<String>,
}

/// The model that a JSON body names; empty when it names none.
pub(super) fn model_of(body: &[u8]) -> String {
    serde_json::from_slice::<Named>(body).ok().and_then(|named| named.model).unwrap_or_default()
}

/// Records the answer to a request, and gives it to whoever asked as it comes.
pub(super) async fn recorded(
    relay: &Arc<Relay>,
    kind: Recorded,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let wishes = Wishes::read(&parts.headers)?;
    let known = wishes.request_id.as_deref().and_then(|id| relay.shelf.of_request(&caller.owner, id));
    if let Some(entry) = known {
        return again(relay, entry, wishes.detach).await;
    }
    let place = relay.may_begin().map_err(|why| match why {
        NotBegun::Draining => {
            Refusal::new(Code::Unavailable, "the relay is ending and takes no new requests")
        }
        NotBegun::TooMany => {
            let (running, queued) = (relay.config.limits.running, relay.config.limits.queued);
            Refusal::new(
                Code::Limit,
                format!("{running} answers run and {queued} wait for their turn, which is this relay's limit; try again later"),
            )
            .with("retry-after", "1")
        }
    })?;
    let limits = &relay.config.limits;
    let body = input::whole(body, limits.body_bytes, limits.body_time).await?;
    let model = model_of(&body);
    let upstreams = if kind.keeps_models() {
        relay.upstreams.for_keeping(&model)
    } else {
        relay.upstreams.for_request(kind.path(), &model)
    };
    if upstreams.is_empty() {
        let message = "no model server of this relay speaks Ollama's API; use /v1/chat/completions";
        return Err(Refusal::new(Code::NotFound, message));
    }
    let mut meta =
        Meta::new(StreamId::random(), caller.owner.clone(), kind.content_type(), relay.shelf.incarnation());
    meta.job = Some(JobRecord {
        name: wishes.name,
        model,
        path: kind.path().to_owned(),
        upstream: upstreams.first().map(|upstream| upstream.name().to_owned()).unwrap_or_default(),
        request_id: wishes.request_id.clone(),
        detached: wishes.detach,
        ended: None,
        ended_ms: None,
        cause: None,
        records: 0,
        tokens_per_second: None,
    });
    let begun =
        |log: &Arc<crate::log::Log>| Some(Job::new(Arc::clone(log), kind, wishes.detach, wishes.deadline));
    let (entry, ticket) = match relay.shelf.make(meta, wishes.request_id.as_deref(), b"", begun) {
        Ok(made) => made,
        Err(NotMade::Exists(entry)) => return again(relay, entry, wishes.detach).await,
        Err(NotMade::Full) => return Err(streams::too_many(relay)),
    };
    let Some(job) = entry.job.clone() else { unreachable!("a recorded stream is made with its job") };
    let task = Task {
        job: Arc::clone(&job),
        place,
        upstreams,
        headers: request_headers(&parts.headers, relay.config.tokens.is_empty()),
        body,
        clocks: relay.config.clocks,
        log_bytes: limits.log_bytes,
    };
    // Before it begins, so that it is not without a reader.
    let reading = if wishes.detach { None } else { relay.attach(entry.clone()) };
    relay.begin(entry.clone(), task);
    match reading {
        None => {
            // Accepted is what survives.
            entry.log.written(ticket).await.map_err(streams::broken)?;
            Ok(detached(&entry, StatusCode::ACCEPTED))
        }
        Some(reading) => {
            let head = job.head().await;
            live(relay, reading, head)
        }
    }
}

/// The answer to a request that was made before.
async fn again(relay: &Arc<Relay>, entry: Entry, detach: bool) -> Result<Answer, Refusal> {
    if detach {
        return Ok(detached(&entry, StatusCode::OK));
    }
    let head = match &entry.job {
        Some(_) => None,
        None => Some(Head::Open {
            status: 200,
            content_type: entry.log.look(|meta, _| meta.content_type.clone()),
        }),
    };
    let job = entry.job.clone();
    let reading = relay.attach(entry).ok_or_else(|| streams::too_many_readers(relay))?;
    let head = match (head, job) {
        (Some(head), _) => head,
        (None, Some(job)) => job.head().await,
        (None, None) => unreachable!("a stream without a job has its head"),
    };
    live(relay, reading, head)
}

fn live(relay: &Relay, reading: crate::shelf::Reading, head: Head) -> Result<Answer, Refusal> {
    let id = reading.entry.id.clone();
    let dialect = reading.entry.job.as_ref().map(|job| job.kind.dialect());
    let mut answer = match head {
        Head::Open { status, content_type } => {
            let mut body = Body::live(reading, 0, false, u64::MAX);
            if dialect == Some(Dialect::OpenAi) && content_type.starts_with("text/event-stream") {
                body = body.with_heartbeat(relay.config.times.heartbeat);
            }
            typed(status_of(status), &content_type, Body::Live(Box::new(body)))
        }
        Head::Refused { status, content_type, body } => {
            typed(status_of(status), &content_type, Body::whole(body))
        }
        Head::None { status, message } => {
            let refusal = Refusal::new(Code::BadGateway, message);
            let mut answer = refusal.answer_in(dialect == Some(Dialect::OpenAi));
            *answer.status_mut() = status_of(status);
            answer
        }
        Head::Pending => unreachable!("a head that is waited for is known"),
    };
    set(&mut answer, "towline-stream", id.as_str());
    Ok(answer)
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

fn detached(entry: &Entry, status: StatusCode) -> Answer {
    let stream = format!("/streams/{}", entry.id);
    let mut answer = json_answer(status, &json!({"id": entry.id.as_str(), "stream": stream}));
    set(&mut answer, "location", &stream);
    set(&mut answer, "towline-stream", entry.id.as_str());
    answer
}
