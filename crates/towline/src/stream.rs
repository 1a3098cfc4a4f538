//! A response as a stream: drives the lifecycle machine with a connection and a timer.

mod relayed;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use towline_core::dialect::{Dialect, ThinkTagsFound};
use towline_core::error::Error;
use towline_core::event::Event;
use towline_core::http1::{Headers, Method};
use towline_core::log::Pieces;
use towline_core::outcome::{Ending, NotUnderstood, Outcome, Reply, Stats};
use towline_core::records::Records;
use towline_core::stream::{BodyEnd, Lifecycle, Opened, Phase};
use towline_core::timeouts::Timeouts;

use self::relayed::{DEADLINE_PASSED, Relayed};
use crate::call::Call;
use crate::failure;
use crate::handle::{Client, accept, json_body};
use crate::relay::{Answer, Submitting, Tail, Via};
use crate::resume::{self, Resume};
use crate::timer::Timer;
use crate::transport::{Connection, Read, RequestBody, ResponseBody, TransportError};

/// An item of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An event from the server.
    Event(Event),
    /// The end. No item follows it.
    End(Box<Outcome>),
}

/// The next step of a stream that has no event.
pub(crate) enum Step {
    /// There may be new events.
    More,
    /// The outcome, once.
    End(Option<Box<Outcome>>),
}

/// One response in flight: any number of [`Item::Event`]s, then exactly one [`Item::End`].
///
/// Nothing is sent before the stream is first polled. Every failure arrives as the outcome, also a refused
/// connection. Reads happen only when the stream is polled, so an unread answer stays with the server.
///
/// Dropping it before its end closes the connection at once, which tells the server to stop. After its end
/// the connection returns to the pool. A stream through a relay (see [`relay`](crate::relay)) continues there
/// when it is dropped.
///
/// ```no_run
/// use towline::client::Resume;
/// use towline::{ChatRequest, Client, Ending, Event, Item};
///
/// # async fn example(client: &Client) {
/// let question = ChatRequest::new("llama3.2").user("Tell me a long story.");
/// let mut stream = client.chat(question.clone());
/// while let Some(item) = stream.next().await {
///     match item {
///         Item::Event(Event::Text(text)) if text.contains("The end") => stream.cancel("that will do"),
///         Item::Event(_) => {}
///         Item::End(outcome) => println!("{}; {} bytes are kept", outcome.ending, outcome.reply.text.len()),
///     }
/// }
///
/// // The whole, however it ends; and the text alone, where it is whole.
/// let outcome = client.chat(question.clone()).with_resume(Resume::Continue { max: 2 }).collect().await;
/// println!("complete: {}", matches!(outcome.ending, Ending::Completed(_)));
/// if let Err(outcome) = client.chat(question).text().await {
///     println!("{}: {}", outcome.ending, outcome.reply.text);
/// }
/// # }
/// ```
#[must_use = "a stream does nothing unless polled"]
pub struct Stream {
    client: Client,
    life: Lifecycle,
    io: Io,
    call: Call,
    /// The call has its request, which may have to be sent again.
    keeps_request: bool,
    timer: Timer,
    tries: u32,
    resume: Resume,
    /// The cut answer, until the request that continues it has received a record.
    cut: Option<Box<Outcome>>,
    /// How much of the reply's text, and how many of its records, are in the prompt of the current request.
    in_prompt: usize,
    records_in_prompt: u64,
    /// The current request uses OpenAI's dialect because the server does not know Ollama's.
    fell_back: bool,
    /// The stream was cancelled: nothing is retried or continued.
    stopped: bool,
    done: bool,
    /// The state of a stream that runs on a relay.
    relayed: Option<Box<Relayed>>,
    /// The outcome, while the relay confirms the end.
    end: Option<Box<Outcome>>,
}

type Rendering = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;
type Connecting = Pin<Box<dyn Future<Output = Result<Connection, TransportError>> + Send>>;

enum Io {
    /// No request is running: before the first poll and before a retry.
    Start,
    Connecting(Connecting),
    Sending(Submitting),
    Reading(ResponseBody),
    /// Reading a relay's log.
    Tailing(Tail),
    /// Waiting for the time of the next retry.
    Waiting(Instant),
    /// Preparing the request that continues the cut answer.
    Rendering(Rendering),
    Closed,
}

impl Stream {
    pub(crate) fn new(client: Client, call: Call) -> Self {
        let config = client.config();
        let life = Lifecycle::new(call.dialect, config.timeouts, config.limits, now())
            .with_think_tags(config.think_tags);
        let relayed = match (&config.via, &call.attach) {
            (Via::Server, None) => None,
            (Via::Relay(_), _) | (Via::Server, Some(_)) => Some(Box::default()),
        };
        let timer = Timer::new(client.timers());
        Self {
            client,
            life,
            io: Io::Start,
            call,
            keeps_request: true,
            timer,
            tries: 1,
            resume: Resume::Never,
            cut: None,
            in_prompt: 0,
            records_in_prompt: 0,
            fell_back: false,
            stopped: false,
            done: false,
            relayed,
            end: None,
        }
    }

    /// The same stream with its own timeouts, which start at the first poll.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.life.set_timeouts(timeouts);
        self
    }

    /// The same stream, which is continued if it is cut.
    pub fn with_resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// The same stream, which keeps every record as the server sent it until
    /// [`take_records`](Self::take_records) takes it.
    pub fn with_records(mut self) -> Self {
        self.life.keep_records();
        self
    }

    /// The records that arrived since the last call, for callers that pass them on in their own format. Empty
    /// unless the stream [keeps records](Self::with_records).
    pub fn take_records(&mut self) -> Records {
        self.life.take_records()
    }

    /// Whether the text so far contained thinking, which is still in the records but not in the events.
    #[must_use]
    pub fn think_tags_found(&self) -> ThinkTagsFound {
        self.life.think_tags_found()
    }

    /// Size of the records that were not taken yet, in bytes.
    pub fn kept_bytes(&self) -> usize {
        self.life.kept_bytes()
    }

    /// Changes the timeouts while the stream runs. The start of each stays the same: a total of 30 s means 30
    /// s from the start of the stream.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        let before = self.total_deadline();
        self.life.set_timeouts(timeouts);
        // The armed time may now be too late.
        self.timer.rearm();
        if self.total_deadline() != before {
            self.send_deadline();
        }
    }

    /// Cancels the stream: closes the connection now, and still yields the events that were received before
    /// the end. It has no effect after the terminal record. `reason` is for people. For a stream on a relay,
    /// the end comes once the relay has ended the job, or cannot be reached.
    pub fn cancel(&mut self, reason: &str) {
        self.life.cancel(reason, now());
        self.stop(reason);
    }

    /// Ends the stream as its total time limit would: a deadline that the caller keeps has passed.
    pub(crate) fn expire(&mut self, limit: Duration) {
        self.life.expire(limit, now());
        self.stop(DEADLINE_PASSED);
    }

    fn stop(&mut self, reason: &str) {
        let io = std::mem::replace(&mut self.io, Io::Closed);
        if !std::mem::replace(&mut self.stopped, true) && self.phase() != Phase::Finishing {
            self.stop_at_relay(io, reason);
        }
    }

    /// The stream is polled again after a pause.
    pub(crate) fn unpaused(&mut self) {
        self.life.unpaused(now());
        self.timer.rearm();
    }

    /// Whether the request uses OpenAI's dialect, which a client with [`Api::Auto`](crate::client::Api::Auto)
    /// detects.
    pub fn is_openai(&self) -> bool {
        self.call.dialect == Dialect::OpenAi
    }

    /// The phase of the stream.
    pub fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// Counts so far. After the end they are in the outcome.
    pub fn stats(&self) -> &Stats {
        self.life.stats()
    }

    /// When the stream last received an input.
    pub(crate) fn last_input_at(&self) -> Instant {
        self.life.last_input_at()
    }

    /// The reply so far. After the end it is in the outcome.
    pub fn reply(&self) -> &Reply {
        self.life.reply()
    }

    /// The frames so far that were not records of the protocol. After the end they are in the outcome.
    pub fn not_understood(&self) -> NotUnderstood {
        self.life.not_understood()
    }

    /// The errors of earlier attempts.
    pub fn retried(&self) -> &[Error] {
        self.life.retried()
    }

    /// The next item; `None` after the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; the stream continues when polled again.
    pub async fn next(&mut self) -> Option<Item> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Reads to the end. The answer is in the outcome's `reply`.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream, and so stops it.
    pub async fn collect(self) -> Outcome {
        self.for_each(|_| ()).await
    }

    /// Reads to the end and calls `on_event` with each event as it arrives.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream, and so stops it.
    pub async fn for_each(mut self, mut on_event: impl FnMut(Event)) -> Outcome {
        loop {
            match self.next().await {
                Some(Item::Event(event)) => on_event(event),
                Some(Item::End(outcome)) => return *outcome,
                None => unreachable!("the end is yielded before None, and returned above"),
            }
        }
    }

    /// Reads to the end and returns the answer's text.
    ///
    /// # Errors
    /// The outcome, with the text that arrived, unless the stream completed.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream, and so stops it.
    pub async fn text(self) -> Result<String, Box<Outcome>> {
        self.collect().await.into_completed().map(|reply| reply.text)
    }

    #[inline]
    pub(crate) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(event) = self.life.next_event() {
                return Poll::Ready(Some(Item::Event(event)));
            }
            if let Step::End(end) = ready!(self.poll_step(cx)) {
                return Poll::Ready(end.map(Item::End));
            }
        }
    }

    /// The next event, merged into earlier ones: see [`Lifecycle::next_into`]. `false` when
    /// [`poll_step`](Self::poll_step) is next.
    #[inline]
    pub(crate) fn next_into(&mut self, pieces: &mut Pieces) -> bool {
        self.life.next_into(pieces)
    }

    /// Continues when there is no event.
    #[inline]
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Some(outcome) = self.life.take_outcome() {
            let io = std::mem::replace(&mut self.io, Io::Closed);
            if let Some(end) = self.retry_or_end(outcome) {
                self.end_at_relay(io, &end.ending);
                self.end = Some(Box::new(end));
            }
        }
        if self.end.is_some() {
            ready!(self.poll_confirmed(cx));
            self.done = true;
            return Poll::Ready(Step::End(self.end.take()));
        }
        if self.done {
            return Poll::Ready(Step::End(None));
        }
        if self.advance(cx).is_pending() {
            ready!(self.poll_clock(cx));
        }
        Poll::Ready(Step::More)
    }

    /// Takes one step towards more bytes; ready when the lifecycle has received an input.
    #[inline]
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Io::Reading(body) => {
                let input = self.life.input();
                let before = input.len();
                let read = ready!(body.poll_read(cx, input));
                let (count, now) = (input.len() - before, now());
                self.life.received(count, now);
                if self.keeps_request && self.life.stats().records > 0 {
                    self.release_request();
                }
                match read {
                    // The timeouts must also apply to a server that never pauses.
                    Ok(Read::Bytes(_)) => self.life.tick(now),
                    Ok(Read::End) => {
                        self.io = Io::Closed;
                        self.life.ended(BodyEnd::Clean, now);
                    }
                    Err(error) => {
                        self.io = Io::Closed;
                        self.life.ended(failure::body_end(&error), now);
                    }
                }
            }
            Io::Tailing(_) => ready!(self.poll_tail(cx)),
            Io::Sending(sending) => match ready!(sending.as_mut().poll(cx)) {
                Ok(Answer::Accepted(accepted)) => self.accepted(*accepted),
                Ok(Answer::Response(response)) => {
                    self.life.opened(&opened(response.status, &response.headers), now());
                    if self.fell_back && (200..300).contains(&response.status) {
                        self.client.remember_only_openai();
                    }
                    self.io = Io::Reading(response.body);
                }
                Err(error) => self.fail(error),
            },
            Io::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                Ok(connection) => self.send(connection),
                Err(error) => self.fail(failure::error(&error)),
            },
            Io::Start => self.connect(),
            Io::Waiting(until) => {
                if *until > now() {
                    return Poll::Pending;
                }
                self.connect();
            }
            Io::Rendering(rendering) => {
                let rendered = ready!(rendering.as_mut().poll(cx));
                self.send_continuation(rendered);
            }
            // Cancelled or failed: the lifecycle knows, and its outcome is next.
            Io::Closed => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn connect(&mut self) {
        if matches!(self.io, Io::Start) {
            self.life = self.life.restarted(now());
        }
        let client = self.client.clone();
        self.io = Io::Connecting(Box::pin(async move { client.connect().await }));
    }

    fn send(&mut self, connection: Connection) {
        let sending: Submitting = match self.sending(connection) {
            Ok(sending) => sending,
            Err(error) => return self.fail(error),
        };
        self.life.sent(now());
        self.io = Io::Sending(sending);
    }

    fn sending(&mut self, connection: Connection) -> Result<Submitting, Error> {
        let (client, call) = (self.client.clone(), &self.call);
        if let Some(attach) = call.attach.as_deref().cloned() {
            return Ok(self.attaching(attach));
        }
        let (path, dialect, body) = (call.path, call.dialect, call.body.clone()?);
        if let Via::Relay(config) = &client.config().via {
            return Ok(self.submitting(config.clone(), connection, path, dialect, body));
        }
        let headers = [("Content-Type", "application/json"), ("Accept", accept(dialect))];
        let request = client.request(Method::Post, path, RequestBody::Bytes(body), &headers);
        // An async block would hold this future twice.
        let mut sending = connection.send(request);
        Ok(Box::pin(poll_fn(move |cx| {
            let response = ready!(Pin::new(&mut sending).poll(cx));
            Poll::Ready(response.map(Answer::Response).map_err(|error| failure::error(&error)))
        })))
    }

    /// After the first record, a request is not retried, so its images need not be kept as long as its answer.
    fn release_request(&mut self) {
        self.keeps_request = false;
        if self.resume == Resume::Never {
            self.call.body = Ok(Bytes::new());
        }
    }

    fn fail(&mut self, error: Error) {
        self.io = Io::Closed;
        self.life.failed(error, now());
    }

    /// Decides whether the outcome is the end or the request is retried.
    fn retry_or_end(&mut self, outcome: Outcome) -> Option<Outcome> {
        let outcome = self.unless_nothing_followed(outcome);
        if self.stopped {
            return Some(outcome);
        }
        let outcome = self.resume_cut(outcome)?;
        let Ending::Failed(error) = &outcome.ending else { return Some(outcome) };
        if error.is_missing_endpoint()
            && self.call.falls_back
            && let Some(call) = self.call.body.as_ref().ok().and_then(Call::openai_chat)
        {
            self.fell_back = true;
            self.another_request();
            self.call = call;
            let at = now();
            return self.restart(self.life.in_dialect(self.call.dialect, outcome, at), at);
        }
        if self.fell_back && error.status.is_some() && !error.is_missing_endpoint() {
            self.client.remember_only_openai();
        }
        match self.client.config().retry.wait_after(error, self.tries, fastrand::f64()) {
            Some(wait) if outcome.stats.records == 0 => {
                self.tries += 1;
                let at = now() + wait;
                self.restart(self.life.again(self.call.dialect, outcome, at), at)
            }
            Some(_) | None => Some(outcome),
        }
    }

    /// If the continuing request received no record, the answer stays as it was cut, and counts as not
    /// stitched.
    fn unless_nothing_followed(&mut self, mut outcome: Outcome) -> Outcome {
        let Some(cut) = self.cut.take().filter(|cut| cut.stats.records == outcome.stats.records) else {
            return outcome;
        };
        self.resume = Resume::Never;
        outcome.stats.stitches = cut.stats.stitches;
        match outcome.ending {
            Ending::Truncated(why) | Ending::Failed(why) => also_because(*cut, why),
            Ending::Completed(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => outcome,
        }
    }

    /// Begins to continue a cut answer; returns the outcome if that is not wanted or not possible.
    fn resume_cut(&mut self, outcome: Outcome) -> Option<Outcome> {
        let Resume::Continue { max } = self.resume else { return Some(outcome) };
        if !resume::was_cut(&outcome) {
            return Some(outcome);
        }
        let request = match resume::resumable(&self.call, &outcome, max) {
            Ok(request) => request,
            Err(why) => return Some(also_because(outcome, why)),
        };
        let (client, path) = (self.client.clone(), self.call.path);
        // After a second cut, the earlier pieces of the answer are already in the prompt.
        let text = outcome.reply.text[self.in_prompt..].to_owned();
        let tokens = outcome.stats.records - self.records_in_prompt;
        (self.in_prompt, self.records_in_prompt) = (outcome.reply.text.len(), outcome.stats.records);
        self.cut = Some(Box::new(outcome.clone()));
        self.life = self.life.continued(Dialect::Ollama, outcome, now());
        self.life.sent(now());
        self.io = Io::Rendering(Box::pin(async move {
            let rendered = client.rendered_prompt(path, &request).await?;
            json_body(&resume::continuation(&request, &rendered, &text, tokens)?)
        }));
        self.timer.rearm();
        None
    }

    /// Sends the continuing request, or ends as cut after all.
    fn send_continuation(&mut self, rendered: Result<Bytes, Error>) {
        match rendered {
            Ok(body) => {
                self.call = Call::new("/api/generate", Dialect::Ollama, Ok(body));
                self.another_request();
                self.connect();
            }
            Err(why) => self.fail(why),
        }
    }

    fn restart(&mut self, life: Lifecycle, at: Instant) -> Option<Outcome> {
        self.life = life;
        self.io = Io::Waiting(at);
        self.timer.rearm();
        None
    }

    /// Pending until the next deadline; ready when the lifecycle has received the time.
    #[inline]
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wake_at = self.life.wake_at();
        let due = if let Io::Waiting(until) = self.io {
            Some(wake_at.map_or(until, |at| at.min(until)))
        } else {
            wake_at
        };
        let Some(due) = due else { return Poll::Pending };
        ready!(self.timer.poll(due, cx));
        self.life.tick(now());
        Poll::Ready(())
    }
}

/// The outcome, with one more reason why there was no retry.
fn also_because(mut outcome: Outcome, why: Error) -> Outcome {
    outcome.retried.push(why);
    outcome
}

fn opened(status: u16, headers: &Headers) -> Opened {
    Opened {
        status,
        content_type: headers.get("content-type").unwrap_or_default().to_owned(),
        retry_after: failure::retry_after(headers),
    }
}

/// The runtime's time, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl futures_core::Stream for Stream {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.poll_item(cx)
    }
}

impl futures_core::FusedStream for Stream {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("server", self.client.endpoint())
            .field("path", &self.call.path)
            .field("phase", &self.phase())
            .field("stats", self.stats())
            .finish_non_exhaustive()
    }
}
