//! Runs a job: sends the request to a model server, writes the answer to the log, carries out orders, and
//! ends the log with the true outcome.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use towline::forward::{self, Ready, Response, ResponseBytes};
use towline::relay::AnswerState;
use towline_core::error::Error;
use towline_core::event::Event;
use towline_core::http1::{Headers, Method};
use towline_core::outcome::{Ending, Outcome};
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

use super::{Ended, Head, Job, Permit, error_record};
use crate::log::{Broken, Ticket};
use crate::meta::{Framing, OneValue, media_type, now_ms};
use crate::metrics::Measured;
use crate::traces::SpanContext;
use crate::upstream::{Lease, Upstream, for_client, least_busy_first};

/// A timer that fires this late means that the whole process was suspended.
const STOPPED: Duration = Duration::from_secs(5);
/// Number of last bytes of a log that show whether its last record has ended.
const LAST_BYTES: usize = 4;

/// The inputs of a running job.
pub(crate) struct Task {
    pub(crate) job: Arc<Job>,
    /// Its place in the queue, then its permission to run.
    pub(crate) permit: Permit,
    /// The model servers that may answer, best first.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// The body's part of the memory for all bodies.
    pub(crate) room: Option<OwnedSemaphorePermit>,
    pub(crate) timeouts: Timeouts,
    /// The maximum size of the log, in bytes.
    pub(crate) log_bytes: u64,
    /// The context of its span, if it is traced.
    pub(crate) span: Option<SpanContext>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Ready, Error>> + Send>>;
type Sending = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

enum Io {
    Connecting(Connecting),
    Sending(Sending),
    Reading(ResponseBytes),
    Closed,
}

struct Run {
    job: Arc<Job>,
    /// Released at the end, for the next job.
    _permit: Permit,
    upstreams: VecDeque<Arc<Upstream>>,
    headers: Headers,
    body: Bytes,
    room: Option<OwnedSemaphorePermit>,
    log_bytes: u64,
    life: Lifecycle,
    io: Io,
    lease: Option<Lease>,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
    /// Whether the timer fired too late the last time.
    was_late: bool,
    is_paused: bool,
    cancelled: bool,
    deadline: Option<Instant>,
    /// Whether the log accepts no more for now.
    is_full: bool,
    /// The status and headers of the answer, until they are passed on.
    head: Option<(u16, HeaderMap)>,
    /// The body of a refusal.
    refused: Option<Vec<u8>>,
    opened: bool,
    /// Whether a model server may have received the request.
    sent: bool,
    /// Whether the log cannot be written.
    is_unwritable: bool,
    /// For a client that gets one JSON value, not a stream.
    whole: Option<OneValue>,
    last: Vec<u8>,
    length: u64,
    measured: Measured,
}

/// The end of a job, and its measurements.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) state: AnswerState,
    pub(crate) measured: Measured,
}

/// Waits for the job's turn and runs it to its end. Every exit closes the log with a terminal record.
///
/// # Cancel safety
/// Dropping the future closes the connection and leaves the log open: only the end of the process does that.
pub(crate) async fn run(mut task: Task) -> Finished {
    let job = Arc::clone(&task.job);
    if !task.permit.may_run() && task.permit.wait(&job).await {
        job.may_run();
        if !job.kind.keeps_models() {
            least_busy_first(&mut task.upstreams);
        }
    }
    if let Some(upstream) = task.permit.upstream() {
        // The server that has room for it is first; the others are asked only if that one cannot be reached.
        task.upstreams.retain(|other| !Arc::ptr_eq(other, &upstream));
        task.upstreams.insert(0, upstream);
    }
    let outcome = {
        let mut run = Run::new(task);
        let outcome = {
            let run = &mut run;
            let mut ordered = pin!(job.ordered.notified());
            std::future::poll_fn(|cx| {
                while ordered.as_mut().poll(cx).is_ready() {
                    ordered.set(job.ordered.notified());
                    run.apply_orders();
                }
                run.poll(cx)
            })
            .await
        };
        run.finish(outcome)
    };
    let (state, ticket, measured) = outcome;
    if let Some(ticket) = ticket {
        // A log that cannot be written has already informed its readers.
        drop(job.log.written(ticket).await);
    }
    job.is_now(state.clone());
    Finished { state, measured }
}

impl Run {
    fn new(task: Task) -> Self {
        let Task { job, permit, upstreams, headers, body, room, timeouts, log_bytes, span: _ } = task;
        let now = Instant::now();
        let life = Lifecycle::new(job.kind.dialect(), timeouts, Limits::default(), now).without_reply();
        let mut run = Self {
            job,
            _permit: permit,
            upstreams: upstreams.into(),
            headers,
            body,
            room,
            log_bytes,
            life,
            io: Io::Closed,
            lease: None,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            armed: now,
            was_late: false,
            is_paused: false,
            cancelled: false,
            deadline: None,
            is_full: false,
            head: None,
            refused: None,
            opened: false,
            sent: false,
            is_unwritable: false,
            whole: None,
            last: Vec::new(),
            length: 0,
            measured: Measured::new(),
        };
        run.apply_orders();
        // If its deadline passed in the queue, the job ends before any server is asked.
        if !run.cancelled && run.deadline.is_none_or(|deadline| now < deadline) {
            run.connect();
        }
        run
    }

    /// Starts with the next server that may answer; `false` if there is none.
    fn connect(&mut self) -> bool {
        let Some(upstream) = self.upstreams.pop_front() else { return false };
        self.job.set_upstream(upstream.name());
        let client = upstream.client().clone();
        self.lease = Some(upstream.lease());
        let job = Arc::clone(&self.job);
        self.io = Io::Connecting(Box::pin(async move {
            let ready = client.ready().await?;
            will_send(&job).await?;
            Ok(ready)
        }));
        true
    }

    fn apply_orders(&mut self) {
        let orders = self.job.orders();
        if let Some(reason) = orders.cancel
            && !self.cancelled
        {
            self.cancelled = true;
            self.life.cancel(&reason, Instant::now());
            self.io = Io::Closed;
        }
        if !matches!(self.io, Io::Closed)
            && let Some(broken) = self.job.log.broken()
        {
            self.cannot_write(&broken);
        }
        if self.is_paused && !orders.is_paused {
            self.life.unpaused(Instant::now());
        }
        self.is_paused = orders.is_paused;
        self.deadline = orders.deadline;
        // The armed time may now be too late.
        self.arm(Instant::now());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            let before = self.life.stats().records;
            while let Some(event) = self.life.next_event() {
                if let Event::Usage(usage) = event {
                    self.measured.usage(&usage);
                    if let Some(tokens) = usage.completion_tokens {
                        self.job.counted(tokens);
                    }
                }
            }
            let records = self.life.stats().records;
            if records != before {
                let now = Instant::now();
                self.measured.chunks(records - before, now);
                self.job.received(records, now);
            }
            if let Some(outcome) = self.life.take_outcome() {
                self.io = Io::Closed;
                return Poll::Ready(outcome);
            }
            if self.advance(cx).is_pending() {
                let now = Instant::now();
                let due = self.due();
                if due.is_some_and(|due| due < self.armed) {
                    self.arm(now);
                }
                if self.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.tick();
            }
        }
    }

    /// Takes one step towards more bytes; ready when the lifecycle has received an input.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Io::Connecting(connecting) => match std::task::ready!(connecting.as_mut().poll(cx)) {
                Ok(ready) => self.send(ready),
                Err(error) => {
                    if let Some(lease) = &self.lease {
                        lease.failed();
                    }
                    if !self.connect() {
                        self.fail(error);
                    }
                }
            },
            Io::Sending(sending) => match std::task::ready!(sending.as_mut().poll(cx)) {
                Ok(response) => self.open(response),
                Err(error) => self.fail(error),
            },
            Io::Reading(_) => return self.poll_body(cx),
            Io::Closed => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_full {
            std::task::ready!(self.job.log.poll_room(cx));
            self.is_full = false;
        }
        let Io::Reading(body) = &mut self.io else { return Poll::Ready(()) };
        if self.is_paused {
            return Poll::Pending;
        }
        let input = self.life.input();
        let before = input.len();
        let read = body.poll_read(cx, input);
        let input = self.life.input();
        let count = input.len() - before;
        let now = Instant::now();
        let kept = append_body(&mut self.refused, &self.job, &input[before..]);
        if self.refused.is_none() {
            self.length += count as u64;
            append_tail(&mut self.last, &input[before..]);
            if let Some(whole) = &mut self.whole {
                whole.received(&input[before..]);
            }
        }
        match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => {
                self.life.received(count, now);
                self.close(BodyEnd::Clean, now);
            }
            Poll::Ready(Ok(_)) => {
                self.life.received(count, now);
                // The timeouts must also apply to a server that never pauses.
                self.life.tick(now);
            }
            Poll::Ready(Err(end)) => {
                self.life.received(count, now);
                self.close(end, now);
            }
        }
        match kept {
            Ok(full) => self.is_full = full,
            Err(broken) => self.cannot_write(&broken),
        }
        if self.length > self.log_bytes {
            let limit = self.log_bytes;
            self.fail(relay_error(format!(
                "the answer is longer than {limit} bytes, which is the relay's limits.log"
            )));
        }
        Poll::Ready(())
    }

    fn close(&mut self, end: BodyEnd, now: Instant) {
        self.io = Io::Closed;
        self.life.ended(end, now);
    }

    fn fail(&mut self, error: Error) {
        self.io = Io::Closed;
        self.life.failed(error, Instant::now());
    }

    fn cannot_write(&mut self, broken: &Broken) {
        self.is_unwritable = true;
        self.fail(relay_error(broken.to_string()));
    }

    fn send(&mut self, ready: Ready) {
        self.sent = true;
        let request = forward::Request {
            method: Method::Post,
            target: self.job.kind.path().to_owned(),
            headers: std::mem::take(&mut self.headers),
            body: forward::Body::Bytes(std::mem::take(&mut self.body)),
        };
        self.life.sent(Instant::now());
        self.job.is_now(AnswerState::Waiting);
        self.io = Io::Sending(Box::pin(ready.send(request)));
    }

    fn open(&mut self, response: Response) {
        // The body follows.
        drop(self.room.take());
        let content_type = response.headers.get("content-type").unwrap_or_default().to_owned();
        let head = Opened { status: response.status, content_type: content_type.clone(), retry_after: None };
        self.life.opened(&head, Instant::now());
        self.head = Some((response.status, for_client(&response.headers)));
        if (200..300).contains(&response.status) {
            self.opened = true;
            let content_type = if content_type.is_empty() {
                self.job.framing.content_type().to_owned()
            } else {
                content_type
            };
            let named = self.job.log.change(|log| {
                if log.meta().content_type != content_type {
                    log.meta_mut().content_type.clone_from(&content_type);
                }
            });
            if let Err(broken) = named {
                self.cannot_write(&broken);
                return;
            }
            if self.job.framing == Framing::Whole && media_type(&content_type) == "application/json" {
                // Its head waits for its end, which the head reports.
                self.whole = Some(OneValue::default());
            } else {
                self.publish_open_head();
            }
        } else {
            self.refused = Some(Vec::new());
        }
        self.io = Io::Reading(response.body);
    }

    /// When the next time limit expires.
    fn due(&self) -> Option<Instant> {
        let own = if self.is_paused { None } else { self.life.deadline() };
        match (own, self.deadline) {
            (Some(own), Some(deadline)) => Some(own.min(deadline)),
            (own, deadline) => own.or(deadline),
        }
    }

    fn arm(&mut self, now: Instant) {
        const FAR: Duration = Duration::from_secs(3600);
        self.armed = self.due().unwrap_or(now + FAR);
        self.timer.as_mut().reset(self.armed.into());
    }

    /// The timer has fired.
    fn tick(&mut self) {
        let now = Instant::now();
        let is_late = now.saturating_duration_since(self.armed) > STOPPED;
        let was_late = std::mem::replace(&mut self.was_late, is_late);
        if is_late && !was_late {
            // This process was suspended, not the model server, whose bytes are still to be read.
            self.life.unpaused(now);
        } else if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.life.expire(now - self.job.began, now);
            self.io = Io::Closed;
        } else if !self.is_paused {
            self.life.tick(now);
        }
        // If nothing ended, the due time is in the future by now.
        self.arm(now);
    }

    /// Ends the log, in one change together with the job's record.
    fn finish(mut self, outcome: Outcome) -> (AnswerState, Option<Ticket>, Measured) {
        drop(self.lease.take());
        let mut ended = match outcome.ending {
            Ending::Cancelled { .. } if self.job.is_interrupted() => Ended::interrupted(self.sent),
            Ending::Completed(_)
            | Ending::Truncated(_)
            | Ending::Cancelled { .. }
            | Ending::TimedOut { .. }
            | Ending::Failed(_) => Ended::of(&outcome.ending, self.opened),
        };
        // Nothing may follow the single value that the client wants.
        ended.is_said |= self.opened && self.is_one_value();
        let job = Arc::clone(&self.job);
        let last = std::mem::take(&mut self.last);
        let closed = job.log.change(|log| {
            let media_type = media_type(&log.meta().content_type);
            log.append(&error_record(&ended, job.kind, &media_type, &last));
            log.close();
            if let Some(record) = &mut log.meta_mut().job {
                job.fill(record);
                record.sent = self.sent;
                record.records = outcome.stats.records;
                record.not_understood = outcome.not_understood.count;
                record.ended = Some(ended.state.clone());
                record.ended_ms = Some(now_ms());
                record.cause.clone_from(&ended.cause);
            }
        });
        self.publish_head(&ended, &outcome.ending, closed.is_ok());
        self.measured.first_chunk = outcome.stats.first_event;
        self.measured.duration = outcome.stats.total;
        (ended.state, closed.ok().map(|((), ticket)| ticket), self.measured)
    }

    fn is_one_value(&self) -> bool {
        self.whole.as_ref().is_some_and(OneValue::is_whole)
    }

    fn publish_open_head(&mut self) {
        if let Some((status, headers)) = self.head.take() {
            self.job.has_head(Head::Open { status, headers });
        }
    }

    /// Informs those who still wait for the head.
    fn publish_head(&mut self, ended: &Ended, ending: &Ending, is_closed: bool) {
        if self.opened && is_closed && self.is_one_value() {
            return self.publish_open_head();
        }
        let head = match (self.refused.take(), self.head.take()) {
            (Some(body), Some((status, headers))) => Head::Refused { status, headers, body: body.into() },
            (_, None) | (None, Some(_)) => {
                let status = match ending {
                    _ if self.is_unwritable || !is_closed => 507,
                    Ending::Cancelled { .. } => 499,
                    Ending::TimedOut { .. } => 504,
                    Ending::Completed(_) | Ending::Truncated(_) | Ending::Failed(_) => 502,
                };
                Head::None { status, message: ended.cause.clone().unwrap_or_default() }
            }
        };
        self.job.has_head(head);
    }
}

/// Stores that a model server may receive the request, if that decides whether it can be retried.
async fn will_send(job: &Arc<Job>) -> Result<(), Error> {
    if job.log.with_meta(|meta, _| meta.job.as_ref().is_none_or(|record| record.sent)) {
        return Ok(());
    }
    let marked = job.log.change(|log| {
        if let Some(record) = &mut log.meta_mut().job {
            record.sent = true;
        }
    });
    let broken = |broken: Broken| relay_error(broken.to_string()).with_effect(false);
    let ((), ticket) = marked.map_err(broken)?;
    job.log.written(ticket).await.map_err(broken)
}

/// Writes the bytes of an answer to the log, and keeps those of a refusal for the client.
fn append_body(refused: &mut Option<Vec<u8>>, job: &Arc<Job>, bytes: &[u8]) -> Result<bool, Broken> {
    match refused {
        _ if bytes.is_empty() => Ok(false),
        Some(body) => {
            body.extend_from_slice(bytes);
            Ok(false)
        }
        None => job.log.append(bytes),
    }
}

fn append_tail(last: &mut Vec<u8>, bytes: &[u8]) {
    let tail = &bytes[bytes.len().saturating_sub(LAST_BYTES)..];
    last.extend_from_slice(tail);
    let surplus = last.len().saturating_sub(LAST_BYTES);
    last.drain(..surplus);
}

/// A failure of the relay itself.
fn relay_error(message: String) -> Error {
    Error::new(towline_core::error::ErrorKind::Limit, towline_core::error::Fault::Caller, message)
        .with_effect(true)
}
