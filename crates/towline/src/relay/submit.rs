//! Submits a request to the relay, or finds a stream to attach to.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use towline_core::dialect::Dialect;
use towline_core::error::{Error, Fault};
use towline_core::http1::{Headers, Method};

use super::backoff::Backoff;
use super::control::Control;
use super::job::Job;
use super::skip::Skip;
use super::tail::{Follow, Tail};
use super::wire::{
    ASKED_BY, CONVERSATION, DEADLINE, DETACH, GROUP, GROUP_RUNNING, KEEP, NAME, Position, REQUEST_ID, STREAM,
    StreamId, TURN, odd, request_id,
};
use crate::failure;
use crate::handle::{Client, accept};
use crate::transport::{Connection, RequestBody, Response};
use crate::via::RelayConfig;

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the stream's first record.
    Beginning,
    /// At the first record that begins at or after this byte of the log.
    Byte(u64),
    /// At the next record that arrives.
    Tail,
}

/// A stream to attach to.
#[derive(Debug, Clone)]
pub(crate) struct Attach {
    pub(crate) id: Result<StreamId, Error>,
    pub(crate) start: Start,
    /// Read only what exists now.
    pub(crate) snapshot: bool,
}

/// A request to submit.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) path: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) body: Bytes,
    /// The same however often the request is sent.
    pub(crate) request_id: String,
    /// The time until the deadline, from now.
    pub(crate) deadline: Option<Duration>,
}

impl Submission {
    pub(crate) fn new_id() -> String {
        request_id()
    }
}

/// The relay's answer to a submitted request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A response whose body is the stream, or the reason why there is none.
    Response(Response),
    /// The relay runs the request.
    Accepted(Box<Accepted>),
}

/// A stream on the relay.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) id: StreamId,
    pub(crate) tail: Tail,
    /// The dialect, if it was not known before.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) content_type: String,
    /// The rest of a record that is not wanted.
    pub(crate) skip: Option<Skip>,
}

pub(crate) type Submitting = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// Submits a request. The relay runs it only once, however often a cut connection forces a retry.
///
/// # Cancel safety
/// If the future is dropped, the relay may or may not run the request.
///
/// # Errors
/// Errors of the caller, and a relay that is out of reach for too long.
pub(crate) async fn submit(
    client: Client,
    config: RelayConfig,
    connection: Connection,
    submission: Submission,
) -> Result<Answer, Error> {
    let mut backoff = Backoff::new(config.reconnect);
    let mut connection = Some(connection);
    loop {
        let error = match post(&client, &config, connection.take(), &submission).await {
            Ok(response) if !(200..300).contains(&response.status) => return Ok(Answer::Response(response)),
            Ok(response) => return accepted(client, &config, response).await,
            Err(error) => error,
        };
        match error.fault {
            Fault::Caller => return Err(error),
            Fault::Server | Fault::Transport | Fault::Protocol => backoff.wait(error).await?,
        }
    }
}

async fn post(
    client: &Client,
    config: &RelayConfig,
    connection: Option<Connection>,
    submission: &Submission,
) -> Result<Response, Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => client.connect().await.map_err(|e| failure::error(&e))?,
    };
    let deadline = submission.deadline.map(|left| format!("{:.3}", left.as_secs_f64()));
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Accept", accept(submission.dialect)),
        (DETACH, "true"),
        (REQUEST_ID, config.request_id.as_ref().unwrap_or(&submission.request_id)),
    ];
    let group_running = config.group_running.map(|running| running.to_string());
    let own = [
        (NAME, &config.name),
        (CONVERSATION, &config.conversation),
        (TURN, &config.turn),
        (ASKED_BY, &config.asked_by),
        (GROUP, &config.group),
        (GROUP_RUNNING, &group_running),
    ];
    headers.extend(own.into_iter().filter_map(|(header, value)| Some((header, value.as_deref()?))));
    if !config.keeps_request {
        headers.push((KEEP, "answer"));
    }
    headers.extend(deadline.as_deref().map(|deadline| (DEADLINE, deadline)));
    let body = RequestBody::Bytes(submission.body.clone());
    let request = client.request(Method::Post, submission.path, body, &headers);
    connection.send(request).await.map_err(|e| failure::error(&e))
}

async fn accepted(client: Client, config: &RelayConfig, mut response: Response) -> Result<Answer, Error> {
    let id = id_in(&response.headers)?;
    // Reading it to its end keeps an HTTP/1.1 connection.
    drop(client.read_error_body(&mut response.body).await);
    let tail = Tail::start(&client, config, id.clone(), Position::default(), Follow::Live);
    let content_type = String::new();
    Ok(Answer::Accepted(Box::new(Accepted { id, tail, dialect: None, content_type, skip: None })))
}

fn id_in(headers: &Headers) -> Result<StreamId, Error> {
    let not_a_relay = || odd("this server is not a Towline relay: it does not say which stream it started");
    headers.get(STREAM).and_then(|id| StreamId::parse(id).ok()).ok_or_else(not_a_relay)
}

/// Fetches the job, with as many retries as needed.
async fn look_up(client: &Client, config: &RelayConfig, id: &StreamId) -> Result<Job, Error> {
    let control = Control::new(client.clone());
    let mut backoff = Backoff::new(config.reconnect);
    loop {
        let error = match control.job(id.as_str()).await {
            Ok(job) => return Ok(job),
            Err(error) => error,
        };
        let answered = error.status.is_some_and(|status| status < 500 && status != 429);
        match error.fault {
            Fault::Caller => return Err(error),
            Fault::Server | Fault::Transport | Fault::Protocol if answered => return Err(error),
            Fault::Server | Fault::Transport | Fault::Protocol => backoff.wait(error).await?,
        }
    }
}

/// Finds a stream and reads it.
///
/// # Cancel safety
/// Safe.
///
/// # Errors
/// No such stream, or the relay cannot be reached.
pub(crate) async fn attach(client: Client, config: RelayConfig, attach: Attach) -> Result<Answer, Error> {
    let job = look_up(&client, &config, &attach.id?).await?;
    let id = StreamId::parse(&job.id)?;
    let tail =
        Position::parse(&job.offset).ok_or_else(|| odd("the relay does not say how long the stream is"))?;
    let dialect = Dialect::of_path(&job.path).unwrap_or(Dialect::Ollama);
    let record_end: &[u8] = if dialect.is_sse() { b"\n\n" } else { b"\n" };
    let wanted = match attach.start {
        Start::Beginning => 0,
        Start::Byte(byte) => byte,
        Start::Tail => tail.byte,
    };
    // If a record begins there, its predecessor ends there.
    let skip_to = (wanted > 0).then_some(record_end);
    let at = tail.at(wanted.saturating_sub(skip_to.map_or(0, |end| end.len() as u64)));
    let follow = if attach.snapshot { Follow::Snapshot } else { Follow::Live };
    let tail = Tail::start(&client, &config, id.clone(), at, follow);
    let (content_type, skip) = (job.content_type.unwrap_or_default(), skip_to.map(Skip::to));
    Ok(Answer::Accepted(Box::new(Accepted { id, tail, dialect: Some(dialect), content_type, skip })))
}
