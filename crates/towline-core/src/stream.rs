//! The lifecycle of one stream: the only place where its state changes.
//!
//! ```text
//!  Connecting ──sent──► Opening ──2xx──► Waiting ──record──► Streaming ──terminal record──► Finishing
//!      │                   │ 4xx 5xx        │  └───────────terminal record──────────────────►  │
//!      │                   ▼                │                   │                              │
//!      │                Refused             │                   │                              │ end, error, garbage,
//!      │ error, clock,     │ end, limit,    │ end, error, clock, cancel                        │ clock or cancel
//!      ▼ cancel            ▼ clock          ▼                   ▼                              ▼
//!  Ended(failed …)      Ended(failed)    Ended(truncated, failed, timed out, cancelled)    Ended(completed)
//! ```
//!
//! | state | clock | end of body | broken connection | cancel |
//! |---|---|---|---|---|
//! | Connecting | connect, total | – | failed | cancelled |
//! | Opening | first event, total | – | failed | cancelled |
//! | Refused | error body | failed | failed, with the status | failed, with the status |
//! | Waiting | first event, total | truncated, empty | failed | cancelled |
//! | Streaming | idle, record, total | truncated, partial | failed, partial | cancelled, partial |
//! | Finishing | finish | completed | completed | completed |
//!
//! A web page with status 200 in place of an answer is a refusal too. Frames that are not understood are
//! counted and change no state.
//!
//! The driver feeds it inputs with the time, and polls events, then the one outcome. Bytes that were received
//! before the end are decoded before the end takes effect, so no received token is lost and a terminal record
//! always wins.

mod again;
mod kept;
mod phase;
mod response;
mod state;
mod step;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::dialect::{Decoder, Dialect, NotARecord, Relayed, ThinkTags, ThinkTagsFound, Verdict};
use crate::error::{Error, ErrorKind, Fault};
use crate::event::{Event, TextKind};
use crate::log::Pieces;
use crate::outcome::{Clock, Ending, FinishReason, NotUnderstood, Outcome, Reply, Stats};
use crate::records::Records;
use crate::timeouts::{Due, Limits, Timeouts, Timestamps};
use crate::wire::Framer;

use kept::KeptData;
pub use phase::Phase;
pub use response::{BodyEnd, Opened};
use state::{State, Stop};
use step::{NextEvent, Step};

/// One stream, as a value without I/O or its own clock.
///
/// After every call, poll [`next_event`](Self::next_event) until it returns `None`, then
/// [`take_outcome`](Self::take_outcome), then [`deadline`](Self::deadline).
#[derive(Debug)]
pub struct Lifecycle {
    state: State,
    dialect: Dialect,
    tags: ThinkTags,
    timeouts: Timeouts,
    limits: Limits,
    marks: Timestamps,
    /// The time that the driver last passed in.
    now: Instant,
    /// No deadline is before this time; set while records arrive, when deadlines only move to later times.
    not_due_before: Option<Instant>,
    framer: Framer,
    decoder: Decoder,
    /// Events of the most recent record.
    events: VecDeque<Event>,
    stop: Option<Box<Stop>>,
    /// Only white space was received so far.
    is_blank: bool,
    kept: KeptData,
    /// Whether the server sent usage.
    has_usage: bool,
    stats: Stats,
    /// The frames of earlier pieces that were not understood.
    not_understood: NotUnderstood,
    retried: Vec<Error>,
    /// See [`lost`](Lifecycle::lost).
    away: bool,
}

impl Lifecycle {
    /// A stream that starts to connect at `now`.
    pub fn new(dialect: Dialect, timeouts: Timeouts, limits: Limits, now: Instant) -> Self {
        Self {
            state: State::Connecting,
            dialect,
            tags: ThinkTags::Split,
            timeouts,
            limits,
            marks: Timestamps::at(now),
            now,
            not_due_before: None,
            framer: Framer::new(dialect.framing(""), limits.line_bytes),
            decoder: Decoder::new(dialect, ThinkTags::Split),
            events: VecDeque::new(),
            stop: None,
            is_blank: true,
            kept: KeptData::new(),
            has_usage: false,
            stats: Stats::default(),
            not_understood: NotUnderstood::default(),
            retried: Vec::new(),
            away: false,
        }
    }

    /// The same stream, which neither collects nor limits the reply, for callers that keep the bytes
    /// themselves.
    #[must_use]
    pub fn without_reply(mut self) -> Self {
        self.kept.keeps_reply = false;
        self
    }

    /// The same stream, before its start, with another treatment of thinking inside the text. Default: it is
    /// separated.
    #[must_use]
    pub fn with_think_tags(mut self, tags: ThinkTags) -> Self {
        (self.tags, self.decoder) = (tags, Decoder::new(self.dialect, tags));
        self
    }

    /// Whether the text so far contained thinking.
    #[must_use]
    pub fn think_tags_found(&self) -> ThinkTagsFound {
        self.decoder.think_tags_found()
    }

    /// Keeps every record as the server sent it, until [`take_records`](Self::take_records) takes it.
    pub fn keep_records(&mut self) {
        self.kept.records.get_or_insert_default();
    }

    /// The records that were decoded since the last call; none unless records are kept. An error of the
    /// server is not a record.
    pub fn take_records(&mut self) -> Records {
        self.kept.records.as_deref_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Size of the records that were not taken yet, in bytes.
    pub fn kept_bytes(&self) -> usize {
        self.kept.records.as_deref().map_or(0, Records::size_bytes)
    }

    /// The errors of earlier attempts.
    pub fn retried(&self) -> &[Error] {
        &self.retried
    }

    /// A connection is ready and the request is about to be sent.
    pub fn sent(&mut self, now: Instant) {
        self.now = now;
        if matches!(self.state, State::Connecting) && self.stop.is_none() {
            self.marks.sent = now;
            self.state = State::Opening;
        }
    }

    /// The response head has arrived.
    pub fn opened(&mut self, head: &Opened, now: Instant) {
        self.now = now;
        if !matches!(self.state, State::Connecting | State::Opening) || self.stop.is_some() {
            return;
        }
        if (200..300).contains(&head.status) {
            let framing = self.dialect.framing(&head.content_type.to_ascii_lowercase());
            self.framer = Framer::new(framing, self.limits.line_bytes);
            self.state = State::Waiting;
        } else {
            self.state = State::Refused {
                status: head.status,
                body: Vec::new(),
                retry_after: head.retry_after,
                due: later(now, self.limits.error_body_time),
            };
        }
    }

    /// The buffer to which body bytes are appended; call [`received`](Self::received) afterwards.
    #[inline]
    pub fn input(&mut self) -> &mut Vec<u8> {
        match &mut self.state {
            State::Refused { body, .. } => body,
            State::Connecting
            | State::Opening
            | State::Waiting
            | State::Streaming
            | State::Finishing { .. }
            | State::Ended(_) => self.framer.input(),
        }
    }

    /// `count` bytes were appended to [`input`](Self::input). They are dropped if no body is being read:
    /// before the response and after its end.
    #[inline]
    pub fn received(&mut self, count: usize, now: Instant) {
        self.now = now;
        if self.reads_body() {
            self.marks.alive = now;
            self.stats.received_bytes += count as u64;
            if self.is_blank {
                self.detect_page(count);
            }
        } else {
            let input = self.input();
            input.truncate(input.len().saturating_sub(count));
        }
    }

    /// Body bytes have arrived: the copying form of [`input`](Self::input) and [`received`](Self::received).
    pub fn bytes(&mut self, bytes: &[u8], now: Instant) {
        self.input().extend_from_slice(bytes);
        self.received(bytes.len(), now);
    }

    /// The response ended, or the connection broke, at any point.
    pub fn ended(&mut self, how: BodyEnd, now: Instant) {
        self.now = now;
        self.stop_by(Stop::Body(how));
    }

    /// The stream cannot start or continue: the request was not sent, or was rejected on the way.
    pub fn failed(&mut self, error: Error, now: Instant) {
        self.ended(BodyEnd::Broken(error), now);
    }

    /// The caller cancels the stream. `reason` is for people.
    pub fn cancel(&mut self, reason: &str, now: Instant) {
        self.now = now;
        self.stop_by(Stop::Cancel(reason.to_owned()));
    }

    /// A deadline that the caller keeps has passed: the stream ends as its total time limit would end it.
    pub fn expire(&mut self, limit: Duration, now: Instant) {
        self.now = now;
        self.stop_by(Stop::Clock(Due { at: now, clock: Clock::Total, limit }));
    }

    /// The stream continues after a pause that the server did not cause: all its timeouts except the total
    /// start again.
    pub fn unpaused(&mut self, now: Instant) {
        self.now = now;
        self.marks = Timestamps { started: self.marks.started, ..Timestamps::at(now) };
    }

    /// The connection to the server is lost, but the stream still exists: until [`regained`](Self::regained),
    /// only its total time limit runs.
    pub fn lost(&mut self, now: Instant) {
        self.now = now;
        self.away = true;
    }

    /// Whether the connection to the server is [`lost`](Self::lost) and not yet regained.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// The stream resumes at the byte where it was [`lost`](Self::lost).
    pub fn regained(&mut self, now: Instant) {
        if std::mem::take(&mut self.away) {
            self.stats.reconnects += 1;
            self.unpaused(now);
        }
    }

    /// Sets the dialect once it is known. Only before the response.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        if matches!(self.state, State::Connecting | State::Opening) {
            (self.dialect, self.decoder) = (dialect, Decoder::new(dialect, self.tags));
        }
    }

    /// Time has passed.
    #[inline]
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        if self.not_due_before.is_some_and(|at| now < at) {
            return;
        }
        match self.due() {
            Some(due) if due.at <= now => self.stop_by(Stop::Clock(due)),
            due => {
                let is_streaming = matches!(self.state, State::Streaming);
                self.not_due_before = due.filter(|_| is_streaming).map(|due| due.at);
            }
        }
    }

    /// Changes the timeouts of a running stream. Their starts stay the same.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
        self.not_due_before = None;
    }

    /// The timeouts in force.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// When [`tick`](Self::tick) must be called next. It changes with every call that takes the time.
    pub fn deadline(&self) -> Option<Instant> {
        self.due().map(|due| due.at)
    }

    /// The [`deadline`](Self::deadline) or an earlier time, for drivers that prefer an occasional early tick
    /// to a query after each record.
    #[inline]
    pub fn wake_at(&self) -> Option<Instant> {
        self.not_due_before.or_else(|| self.deadline())
    }

    /// When the total time limit expires.
    pub fn total_deadline(&self) -> Option<Instant> {
        self.timeouts.total_due(&self.marks).map(|due| due.at)
    }

    /// The phase of the stream.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Connecting => Phase::Connecting,
            // A web page in place of an answer is found while the stream waits for a record.
            State::Refused { status: 200, .. } | State::Waiting => Phase::Waiting,
            State::Opening | State::Refused { .. } => Phase::Opening,
            State::Streaming => Phase::Streaming,
            State::Finishing { .. } => Phase::Finishing,
            State::Ended(_) => Phase::Ended,
        }
    }

    /// When it last received an input: the time that the driver last passed in.
    pub fn last_input_at(&self) -> Instant {
        self.now
    }

    /// Counts so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The data received so far.
    pub fn reply(&self) -> &Reply {
        &self.kept.reply
    }

    /// The frames so far that were not understood.
    pub fn not_understood(&self) -> NotUnderstood {
        let mut all = self.not_understood.clone();
        all.append(self.decoder.not_understood.clone());
        all
    }

    /// The next event, in order. `None` when more input is needed, or when the outcome is next.
    #[inline]
    pub fn next_event(&mut self) -> Option<Event> {
        if self.awaits_input() { None } else { self.found_event() }
    }

    /// A function of its own, so that the check before it does not pay for its stack frame.
    #[inline]
    fn found_event(&mut self) -> Option<Event> {
        match self.next_by(|kind, text| kind.event(text.into_owned()))? {
            NextEvent::Alike(event) | NextEvent::Queued(event) => Some(event),
        }
    }

    /// Like [`next_event`](Self::next_event), for callers that do not need single events: adds the event to
    /// `pieces`. Returns whether there was one.
    #[inline]
    pub fn next_into(&mut self, pieces: &mut Pieces) -> bool {
        if self.awaits_input() {
            return false;
        }
        match self.next_by(|kind, text| pieces.push_text(kind, &text)) {
            Some(NextEvent::Alike(())) => true,
            Some(NextEvent::Queued(event)) => {
                pieces.push(event);
                true
            }
            None => false,
        }
    }

    /// Whether a running stream has nothing to yield until it receives an input: the usual case before and after each
    /// read, told without a call.
    #[inline(always)]
    fn awaits_input(&self) -> bool {
        let is_running = matches!(self.state, State::Waiting | State::Streaming);
        is_running && self.events.is_empty() && self.framer.awaits_input()
    }

    fn next_by<T>(&mut self, mut give: impl FnMut(TextKind, Cow<'_, str>) -> T) -> Option<NextEvent<T>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(NextEvent::Queued(event));
            }
            let step = match self.state {
                State::Waiting | State::Streaming => self.decode_frame(&mut give),
                State::Finishing { closed: false, .. } => self.decode_found_frame(&mut give),
                State::Refused { .. } => {
                    self.end_if_refused();
                    return None;
                }
                State::Connecting | State::Opening | State::Finishing { closed: true, .. } => {
                    self.apply_stop();
                    return None;
                }
                State::Ended(_) => return None,
            };
            match step {
                Step::Alike(given) => return Some(NextEvent::Alike(given)),
                Step::Record => {}
                // The end may have released text that was held back.
                Step::None => return self.events.pop_front().map(NextEvent::Queued),
            }
        }
    }

    /// The outcome, once, after the last event.
    #[inline]
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        match &mut self.state {
            State::Ended(outcome) if self.events.is_empty() => outcome.take().map(|outcome| *outcome),
            State::Ended(_)
            | State::Connecting
            | State::Opening
            | State::Refused { .. }
            | State::Waiting
            | State::Streaming
            | State::Finishing { .. } => None,
        }
    }

    fn due(&self) -> Option<Due> {
        let total = self.timeouts.total_due(&self.marks);
        let own = match &self.state {
            State::Connecting => self.timeouts.connect_due(&self.marks),
            State::Opening | State::Waiting => self.timeouts.first_event_due(&self.marks),
            State::Streaming => self.timeouts.streaming_due(&self.marks),
            State::Refused { due, .. } => {
                Some(Due { at: *due, clock: Clock::Idle, limit: self.limits.error_body_time })
            }
            State::Finishing { due, .. } => {
                return Some(Due { at: *due, clock: Clock::Idle, limit: self.limits.finish_time });
            }
            State::Ended(_) => return None,
        };
        Due::earlier(own.filter(|_| !self.away), total)
    }

    /// A body that begins like a web page counts as one, for any content type.
    fn detect_page(&mut self, count: usize) {
        let Some(first) = self.framer.first_of(count) else { return };
        self.is_blank = false;
        if first == b'<' && matches!(self.state, State::Waiting) {
            let body = std::mem::take(self.framer.input());
            let due = later(self.now, self.limits.error_body_time);
            self.state = State::Refused { status: 200, body, retry_after: None, due };
        }
    }

    fn reads_body(&self) -> bool {
        let wants_more = match self.state {
            State::Refused { .. } | State::Waiting | State::Streaming => true,
            State::Finishing { closed, .. } => !closed,
            State::Connecting | State::Opening | State::Ended(_) => false,
        };
        wants_more && self.stop.is_none()
    }

    /// Only the first stop of a stream counts.
    fn stop_by(&mut self, stop: Stop) {
        self.framer.finish();
        self.stop.get_or_insert_with(|| Box::new(stop));
    }

    /// Decodes one frame of a running stream, or handles the case that there is none.
    #[inline]
    fn decode_frame<T>(&mut self, give: &mut impl FnMut(TextKind, Cow<'_, str>) -> T) -> Step<T> {
        // A line that is like the previous one is read in place, so its end is known without a search.
        if let Some(line) = self.framer.fresh_line()
            && let Some((kind, text, length)) = self.decoder.read_alike(line)
            && self.framer.is_line(length)
        {
            self.kept.add_alike(&line[..length], kind, &text);
            let given = give(kind, text);
            self.framer.skip_line(length);
            return self.on_alike(given);
        }
        self.decode_found_frame(give)
    }

    /// Decodes the next frame that a search finds.
    fn decode_found_frame<T>(&mut self, give: &mut impl FnMut(TextKind, Cow<'_, str>) -> T) -> Step<T> {
        let is_read = matches!(self.state, State::Waiting | State::Streaming);
        let frame = match self.framer.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                self.apply_stop();
                return Step::None;
            }
            Err(too_long) => {
                self.on_corrupt(limit_passed(too_long.to_string()));
                return Step::Record;
            }
        };
        let frame_bytes = frame.len();
        if is_read
            && let Some((kind, text, length)) = self.decoder.read_alike(frame)
            && length == frame_bytes
        {
            self.kept.add_alike(frame, kind, &text);
            let given = give(kind, text);
            return self.on_alike(given);
        }
        let before = (self.decoder.patterns(), self.decoder.replaced_text);
        let decoded = self.decoder.decode(frame, &mut self.events);
        if let (
            Some(records),
            Ok(Verdict::More | Verdict::NotUnderstood | Verdict::Finished(_) | Verdict::Closed(_)),
        ) = (&mut self.kept.records, &decoded)
        {
            let is_pattern = self.decoder.patterns() != before.0;
            let was_repaired = self.decoder.replaced_text != before.1;
            records.push_events(frame, &self.events, is_pattern, was_repaired);
        }
        self.framer.release();
        self.on_decoded(decoded, frame_bytes)
    }

    #[inline(always)]
    fn on_alike<T>(&mut self, given: T) -> Step<T> {
        self.framer.release();
        self.count_record();
        self.check_reply_limit();
        Step::Alike(given)
    }

    fn on_decoded<T>(&mut self, decoded: Result<Verdict, NotARecord>, frame_bytes: usize) -> Step<T> {
        match decoded {
            Ok(Verdict::More) => self.on_record(frame_bytes),
            Ok(Verdict::Nothing | Verdict::NotUnderstood) => {}
            Ok(Verdict::Finished(reason)) => {
                self.on_record(frame_bytes);
                self.on_finished(reason, false);
            }
            Ok(Verdict::Closed(reason)) => {
                self.on_record(frame_bytes);
                self.on_finished(reason, true);
            }
            Ok(Verdict::Failed(error)) => {
                self.on_record(frame_bytes);
                self.on_corrupt(error);
            }
            Ok(Verdict::Relayed(how, error)) => {
                self.on_record(frame_bytes);
                self.on_relayed(how, error);
            }
            Err(not_a_record) if self.is_cut_off(&not_a_record) => {
                if !matches!(self.state, State::Finishing { .. }) {
                    self.stats.undecoded_bytes += self.framer.cut_tail_bytes() as u64;
                }
                self.apply_stop();
                return Step::None;
            }
            Err(not_a_record) => self.on_corrupt(not_a_record.error),
        }
        Step::Record
    }

    fn on_record(&mut self, frame_bytes: usize) {
        self.count_record();
        let mut events = std::mem::take(&mut self.events);
        if matches!(self.state, State::Finishing { .. }) {
            // The answer is complete; only its usage may still follow.
            events.retain(|event| matches!(event, Event::Usage(_)));
            if !events.is_empty() {
                self.usage_came();
            }
        }
        for event in &events {
            self.has_usage |= matches!(event, Event::Usage(_));
            self.kept.add_event(event, frame_bytes);
        }
        self.events = events;
        self.check_reply_limit();
    }

    #[inline]
    fn count_record(&mut self) {
        self.stats.records += 1;
        self.marks.record = self.now;
        if matches!(self.state, State::Waiting) {
            let after = self.now.saturating_duration_since(self.marks.started);
            self.stats.first_event.get_or_insert(after);
            self.state = State::Streaming;
        }
    }

    #[inline]
    fn check_reply_limit(&mut self) {
        if self.kept.reply_bytes + self.decoder.held_bytes() > self.limits.reply_bytes {
            self.on_reply_limit();
        }
    }

    #[cold]
    fn on_reply_limit(&mut self) {
        let limit = self.limits.reply_bytes;
        self.on_corrupt(limit_passed(format!("the answer is longer than the reply limit of {limit} bytes")));
    }

    fn on_finished(&mut self, reason: Option<FinishReason>, closed: bool) {
        match &mut self.state {
            State::Finishing { reason: known, closed: already, .. } => {
                if known.is_none() {
                    *known = reason;
                }
                *already = closed;
                if closed {
                    self.usage_came();
                }
            }
            State::Waiting | State::Streaming => {
                let awaits_usage = !closed && !self.has_usage;
                let time = if awaits_usage { self.limits.usage_time } else { self.limits.finish_time };
                let due = later(self.now, time.max(self.limits.finish_time));
                self.state = State::Finishing { reason, due, closed, awaits_usage };
                self.not_due_before = None;
            }
            State::Connecting | State::Opening | State::Refused { .. } | State::Ended(_) => {}
        }
    }

    /// The usage has arrived: only the end is still to come.
    fn usage_came(&mut self) {
        if let State::Finishing { due, awaits_usage, .. } = &mut self.state
            && std::mem::take(awaits_usage)
        {
            *due = (*due).min(later(self.now, self.limits.finish_time));
        }
    }

    /// The body cannot be read further. Before the terminal record that is a failure; after it, it does not matter.
    fn on_corrupt(&mut self, error: Error) {
        match &mut self.state {
            State::Finishing { reason, .. } => {
                let reason = reason.take();
                self.end(Ending::Completed(reason));
            }
            State::Connecting
            | State::Opening
            | State::Refused { .. }
            | State::Waiting
            | State::Streaming => self.end(Ending::Failed(error)),
            // The same record has already ended the answer.
            State::Ended(_) => {}
        }
    }

    /// A relay reports how its job ended. An answer that was already complete stays complete.
    fn on_relayed(&mut self, how: Relayed, error: Error) {
        if matches!(self.state, State::Finishing { .. } | State::Ended(_)) {
            return self.on_corrupt(error);
        }
        let ran = self.now.saturating_duration_since(self.marks.started);
        self.end(match how {
            Relayed::Truncated => Ending::Truncated(error),
            Relayed::Cancelled => Ending::Cancelled { reason: error.message, may_have_had_effect: true },
            Relayed::TimedOut => Ending::TimedOut {
                clock: Clock::Total,
                limit: self.timeouts.total.unwrap_or(ran),
                may_have_had_effect: true,
            },
            Relayed::Failed => Ending::Failed(error),
        });
    }

    /// Applies the stop, now that all received bytes are decoded.
    fn apply_stop(&mut self) {
        let Some(stop) = self.stop.take() else { return };
        let sent = !matches!(self.state, State::Connecting);
        if let State::Finishing { reason, .. } = &mut self.state {
            let reason = reason.take();
            return self.end(Ending::Completed(reason));
        }
        let ending = match *stop {
            Stop::Body(BodyEnd::Clean) if self.decoder.gave_up => Ending::Failed(
                Error::new(
                    ErrorKind::Server,
                    Fault::Server,
                    "the server abandoned the answer without saying why: its model runner was killed or failed, \
                     see the server's log",
                )
                .with_effect(sent),
            ),
            Stop::Body(BodyEnd::Clean) => self.truncated(Fault::Server, "ended normally", sent),
            Stop::Body(BodyEnd::Cut) => self.truncated(Fault::Transport, "was closed", sent),
            Stop::Body(BodyEnd::Broken(error)) => {
                // A response proves that the request arrived, even if the transport does not know it.
                let answered = matches!(self.state, State::Waiting | State::Streaming);
                let effect = answered || error.may_have_had_effect;
                Ending::Failed(error.with_effect(effect))
            }
            Stop::Clock(due) => {
                Ending::TimedOut { clock: due.clock, limit: due.limit, may_have_had_effect: sent }
            }
            Stop::Cancel(reason) => Ending::Cancelled { reason, may_have_had_effect: sent },
        };
        self.end(ending);
    }

    fn truncated(&self, fault: Fault, how: &str, sent: bool) -> Ending {
        let what =
            if self.stats.records == 0 { "before its first record" } else { "before its terminal record" };
        let message = format!("the answer is incomplete: the response {how} {what}");
        Ending::Truncated(Error::new(ErrorKind::Truncated, fault, message).with_effect(sent))
    }

    /// An error response is read to its end, its size limit or its time limit, whichever comes first.
    fn end_if_refused(&mut self) {
        let State::Refused { status, body, retry_after, .. } = &self.state else {
            return;
        };
        let full = body.len() >= self.limits.error_body_bytes;
        if full || self.stop.take().is_some() {
            let body = &body[..body.len().min(self.limits.error_body_bytes)];
            let error = match *status {
                200 => Error::page(200, body),
                status => Error::from_status(status, body, *retry_after),
            };
            self.end(Ending::Failed(error));
        }
    }

    /// Whether a frame that is not a record is the beginning of one that the end of the stream cut off.
    fn is_cut_off(&self, frame: &NotARecord) -> bool {
        let ended = matches!(self.stop.as_deref(), Some(Stop::Body(BodyEnd::Clean | BodyEnd::Cut)));
        self.framer.cut_tail_bytes() > 0 && (frame.ends_early || !ended)
    }

    fn end(&mut self, ending: Ending) {
        let before = self.events.len();
        self.decoder.release_held(&mut self.events);
        for nth in before..self.events.len() {
            self.kept.add_event(&self.events[nth], 0);
        }
        let not_understood = self.not_understood();
        let mut stats = self.stats;
        stats.replaced_text += self.decoder.replaced_text;
        stats.total = self.now.saturating_duration_since(self.marks.started);
        let mut reply = std::mem::take(&mut self.kept.reply);
        reply.partial_tool_calls = self.decoder.take_partial_tool_calls();
        reply.model = self.decoder.model.take().or(reply.model);
        reply.context = std::mem::take(&mut self.decoder.context);
        self.framer.clear();
        self.state = State::Ended(Some(Box::new(Outcome {
            ending,
            reply,
            stats,
            not_understood,
            retried: std::mem::take(&mut self.retried),
        })));
    }
}

fn limit_passed(message: String) -> Error {
    Error::new(ErrorKind::Limit, Fault::Protocol, message).with_effect(true)
}

/// `now + wait`, or a time far away if that overflows.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).or_else(|| now.checked_add(Duration::from_secs(86_400 * 365))).unwrap_or(now)
}
