//! Requests whose answers are recorded: parses them and starts their jobs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use towline_core::http1::Headers;

use super::answer::{Code, Refusal};
use super::pass::NO_OLLAMA;
use super::{input, streams};
use crate::access::Caller;
use crate::housekeeping;
use crate::id::{Owner, StreamId};
use crate::job::{AdmissionLimits, Claim, Group, Job, Question, QueueFull, Recorded, Task, name};
use crate::log::{StreamLog, Ticket};
use crate::meta::{JobRecord, Meta, now_ms};
use crate::quota::ReachedLimit;
use crate::registry::{CreateError, Entry, Reading};
use crate::relay::{Relay, StartError};
use crate::traces::SpanContext;
use crate::upstream::Choice;

/// The maximum length of a job's name that is read, in characters.
const NAME_CHARS: usize = 200;
/// The maximum length of a model's name, in bytes.
const MODEL_BYTES: usize = 1024;
/// The maximum length of a request id, conversation or turn, in bytes.
const LABEL_BYTES: usize = 128;

/// The settings in the `Towline-*` headers.
#[derive(Debug, Default)]
pub(super) struct RequestHeaders {
    pub(super) detach: bool,
    pub(super) request_id: Option<String>,
    pub(super) name: String,
    pub(super) conversation: Option<String>,
    pub(super) turn: Option<String>,
    pub(super) asked_by: Option<String>,
    pub(super) group: Option<String>,
    pub(super) group_running: Option<usize>,
    pub(super) keeps_request: bool,
    pub(super) deadline: Option<Duration>,
    pub(super) traceparent: Option<String>,
}

impl RequestHeaders {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let request_id = input::header(headers, "towline-request-id")?.map(str::to_owned);
        let is_id = |id: &String| {
            let fits = (1..=LABEL_BYTES).contains(&id.len());
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
        let keeps_request = match input::header(headers, "towline-keep")? {
            None | Some("all") => true,
            Some("answer") => false,
            Some(_) => return Err(Refusal::bad("Towline-Keep takes all or answer")),
        };
        let group = label(headers, "towline-group")?;
        let group_running = limit(headers, "towline-group-running")?;
        if group_running.is_some() && group.is_none() {
            return Err(Refusal::bad("Towline-Group-Running needs Towline-Group"));
        }
        let name =
            headers.get("towline-name").map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        let name: String = name.unwrap_or_default().chars().take(NAME_CHARS).collect();
        Ok(Self {
            detach: input::is_true(headers, "towline-detach"),
            request_id,
            name: name::as_handle(&name),
            conversation: label(headers, "towline-conversation")?,
            turn: label(headers, "towline-turn")?,
            asked_by: label(headers, "towline-asked-by")?,
            group,
            group_running,
            keeps_request,
            deadline,
            traceparent: headers.get("traceparent").and_then(|text| text.to_str().ok()).map(str::to_owned),
        })
    }
}

/// A short opaque text from the client.
fn label(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    match input::header(headers, name)?.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) if text.len() <= LABEL_BYTES => Ok(Some(text.to_owned())),
        Some(_) => Err(Refusal::bad(format!("{name} takes up to {LABEL_BYTES} characters"))),
    }
}

/// A maximum number of running answers.
fn limit(headers: &HeaderMap, name: &str) -> Result<Option<usize>, Refusal> {
    let Some(text) = input::header(headers, name)? else { return Ok(None) };
    let limit = input::digits(text.trim()).and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    limit.map(Some).ok_or_else(|| Refusal::bad(format!("{name} takes a whole number of answers, 1 or more")))
}

/// The parts of a request body that determine its model server and the framing of its answer.
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
    /// A body that is not such a JSON object has no values.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The model of the request; empty if it names none.
    pub(super) fn model(&self) -> &str {
        let named = [&self.model, &self.name, &self.source].into_iter().flatten();
        named.map(String::as_str).find(|name| !name.is_empty()).unwrap_or_default()
    }
}

/// The model servers for a request: `Towline-Server` chooses a configured one by its name. Over the Unix
/// socket, the relay's own user may name any server, if the relay has no tokens.
pub(super) fn choice(relay: &Relay, caller: &Caller, headers: &HeaderMap) -> Result<Choice, Refusal> {
    match input::header(headers, "towline-server")?.map(str::trim) {
        None | Some("") => Ok(Choice::Any),
        Some(text) => {
            let choice = chosen(relay, caller, text)?;
            if let (Choice::One(upstream), Some(running)) =
                (&choice, limit(headers, "towline-server-running")?)
            {
                if !caller.names_servers {
                    let message = "Towline-Server-Running is for a user's own relay; any other relay has its own limits";
                    return Err(Refusal::new(Code::Forbidden, message));
                }
                upstream.limit(running);
            }
            Ok(choice)
        }
    }
}

/// The model server that `text` names.
pub(super) fn chosen(relay: &Relay, caller: &Caller, text: &str) -> Result<Choice, Refusal> {
    if let Some(upstream) = relay.upstreams.configured(text) {
        return Ok(Choice::One(Arc::clone(upstream)));
    }
    if !caller.names_servers {
        let names: Vec<&str> = relay.upstreams.all().iter().map(|upstream| upstream.name()).collect();
        let message = format!(
            "Towline-Server names no model server of this relay; its servers are {}. Only a user's own relay accepts others, \
             over its Unix socket",
            names.join(", ")
        );
        return Err(Refusal::new(Code::Forbidden, message));
    }
    let upstream =
        relay.upstreams.at(text).map_err(|error| Refusal::bad(format!("Towline-Server: {error}")))?;
    let listening = relay.listening.get().map(Vec::as_slice).unwrap_or_default();
    if listening.iter().any(|listen| listen.is_at(upstream.endpoint())) {
        return Err(Refusal::bad(
            "Towline-Server names this relay itself: use the address of a model server",
        ));
    }
    Ok(Choice::One(upstream))
}

/// A request that is ready to start.
pub(super) struct Ask {
    pub(super) kind: Recorded,
    pub(super) options: RequestHeaders,
    pub(super) choice: Choice,
    /// For the model server.
    pub(super) headers: Headers,
    pub(super) body: Bytes,
    /// The body's part of the memory for all bodies.
    pub(super) room: Option<OwnedSemaphorePermit>,
    /// The digest of its path and body, if it has an id.
    pub(super) digest: Option<String>,
    /// The job whose request it repeats.
    pub(super) retry_of: Option<StreamId>,
}

/// The result of starting a request.
pub(super) enum StartedRequest {
    /// Its job runs or is queued. A request that is not detached reads it.
    New { entry: Entry, job: Arc<Job>, ticket: Ticket, reading: Option<Reading> },
    /// The same request was made before.
    Known(Entry),
}

/// Starts the job of a request.
pub(super) fn begin(relay: &Arc<Relay>, caller: &Caller, ask: Ask) -> Result<StartedRequest, Refusal> {
    let Ask { kind, options, choice, headers, body, room, digest, retry_of } = ask;
    let limits = &relay.config.limits;
    let quota = relay.access.rules().quota(&caller.owner);
    relay.usage.ask(&caller.owner, quota, now_ms()).map_err(|reached| over_quota(&caller.owner, reached))?;
    let read = RequestBody::read(&body);
    let model = read.model().to_owned();
    if model.len() > MODEL_BYTES {
        return Err(Refusal::bad(format!("the name of the model is longer than {MODEL_BYTES} bytes")));
    }
    let framing = kind.framing(read.stream);
    let upstreams = if kind.keeps_models() {
        relay.upstreams.for_keeping(&model, &choice)
    } else {
        relay.upstreams.for_request(kind.path(), &model, &choice)
    };
    if upstreams.is_empty() {
        return Err(Refusal::new(Code::NotFound, NO_OLLAMA));
    }
    let group = options.group.clone().map(|name| Group {
        name,
        running: options.group_running.unwrap_or(usize::MAX),
        // On an own relay, only its user decides how many run.
        is_beside: caller.names_servers && options.group_running.is_some(),
    });
    let is_grouped = group.is_some();
    // Requests that manage models are not limited.
    let limited = if kind.keeps_models() { Vec::new() } else { upstreams.clone() };
    let claim = Claim { owner: caller.owner.clone(), running: quota.running, group, upstreams: limited };
    let permit = relay.may_begin(claim).map_err(|why| refused(relay, why, is_grouped))?;
    let question = Question::of(&body);
    let keeps_request =
        relay.config.retention.requests && options.keeps_request && body.len() <= limits.request_bytes;
    let request = keeps_request.then(|| body.clone());
    let id = StreamId::random();
    let mut meta = Meta::new(id, caller.owner.clone(), framing.content_type(), relay.registry.incarnation());
    meta.job = Some(JobRecord {
        name: name_of(&options, kind, &question, &model),
        // Assigned when the job enters the registry.
        number: None,
        question: question.text,
        questions_before: question.before,
        conversation: options.conversation,
        turn: options.turn,
        asked_by: options.asked_by,
        group: options.group,
        group_running: options.group_running,
        sent: !is_grouped && permit.may_run(),
        retry_of,
        model,
        path: kind.path().to_owned(),
        upstream: upstreams.first().map(|upstream| upstream.name().to_owned()).unwrap_or_default(),
        server: choice.stored(),
        request_bytes: request.as_ref().map(|request| request.len() as u64),
        request_id: options.request_id,
        request_digest: digest,
        framing,
        detached: options.detach,
        ended: None,
        ended_ms: None,
        cause: None,
        records: 0,
        not_understood: 0,
        tokens: None,
        tokens_per_second: None,
    });
    housekeeping::make_room(relay, &caller.owner);
    let job = |log: &Arc<StreamLog>| {
        Some(Job::new(Arc::clone(log), kind, framing, options.detach, options.deadline))
    };
    let (entry, ticket) = match relay.registry.create(meta, b"", request, job) {
        Ok(made) => made,
        Err(CreateError::Exists(entry)) => return Ok(StartedRequest::Known(entry)),
        Err(CreateError::Full) => return Err(streams::too_many(relay)),
    };
    let Some(job) = entry.job.clone() else { unreachable!("a recorded stream is created with its job") };
    let span = relay.traces.as_ref().and_then(|_| SpanContext::of(options.traceparent.as_deref()));
    let headers = span.as_ref().map_or_else(|| headers.clone(), |span| span.carried_on(&headers));
    let task = Task {
        span,
        job: Arc::clone(&job),
        permit,
        upstreams,
        headers,
        body,
        room,
        timeouts: relay.config.timeouts,
        log_bytes: limits.log_bytes,
    };
    // Attached before the start, so that the job is never without a reader.
    let reading = if options.detach { None } else { relay.attach(entry.clone()) };
    relay.begin(entry.clone(), task, ticket.clone());
    Ok(StartedRequest::New { entry, job, ticket, reading })
}

/// The name from the client, else one derived from the question, else one derived from the operation.
fn name_of(options: &RequestHeaders, kind: Recorded, question: &Question, model: &str) -> String {
    let verb = kind.path().rsplit('/').next().unwrap_or_default();
    let made = [
        name::of_question(question.text.as_deref().unwrap_or_default()),
        name::of_question(&format!("{verb} {model}")),
    ];
    let named = std::iter::once(options.name.clone()).chain(made);
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// The refusal of new work on a draining relay.
pub(super) fn draining() -> Refusal {
    Refusal::new(Code::Unavailable, "the relay is ending and accepts no new requests")
        .with("retry-after", "1")
}

fn over_quota(owner: &Owner, reached: ReachedLimit) -> Refusal {
    let ReachedLimit { limit, most, retry_after_s } = reached;
    let message =
        format!("{limit} of {} is {most}, which is reached; try again in {retry_after_s} s", owner.as_str());
    Refusal::new(Code::Limit, message).with("retry-after", retry_after_s.to_string())
}

fn refused(relay: &Relay, why: StartError, is_grouped: bool) -> Refusal {
    let limits = AdmissionLimits::of(&relay.config);
    let waiting = if is_grouped { "limits.grouped" } else { "limits.queued" };
    let refusal = match why {
        StartError::Draining => return draining(),
        StartError::QueueFull(QueueFull::InAll) => {
            let (running, queued) = (limits.running, if is_grouped { limits.grouped } else { limits.queued });
            let message = format!(
                "{running} answers run (limits.running) and {queued} wait ({waiting}); try again later"
            );
            Refusal::new(Code::Limit, message)
        }
        StartError::QueueFull(QueueFull::OfOwner) => {
            let running = limits.own_running;
            let queued = if is_grouped { limits.own_grouped } else { limits.own_queued };
            let message = format!(
                "{running} answers of this owner run and {queued} wait, which is limits.share of limits.running and {waiting}; \
                 try again later"
            );
            Refusal::new(Code::Limit, message)
        }
    };
    refusal.with("retry-after", "1")
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

    #[test]
    fn a_job_is_named_by_its_client_its_question_or_what_it_does() {
        let name = |given: &str, kind, question: Option<&str>| {
            let options = RequestHeaders { name: given.into(), ..RequestHeaders::default() };
            let question = Question { text: question.map(str::to_owned), before: 0 };
            name_of(&options, kind, &question, "llama3:8b")
        };
        assert_eq!(name("mine", Recorded::Chat, Some("why?")), "mine");
        assert_eq!(name("", Recorded::Chat, Some("Why so?")), "why-so");
        assert_eq!(name("", Recorded::Pull, None), "pull-llama3-8b");
        assert_eq!(name("", Recorded::Chat, Some("?!")), "chat-llama3-8b");
    }
}
