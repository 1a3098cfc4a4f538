//! A reference model of a chat stream: a second, simple version of the lifecycle.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use towline_core::outcome::{Ending, FinishReason, Outcome};
use towline_core::stream::Phase;
use towline_core::timeouts::{Limits, Timeouts};

use crate::support::End;

#[derive(Debug, Clone, PartialEq)]
enum ModelPhase {
    Connecting,
    Opening,
    Refused { status: u16, bytes: usize, due: Instant },
    Waiting,
    Streaming,
    Finishing { reason: Option<String>, due: Instant },
    Ended,
}

#[derive(Debug, Clone)]
enum Stop {
    By(End),
    Clock(&'static str, Duration),
}

/// A short form of an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    ending: String,
    text: String,
    records: u64,
}

impl Summary {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let ending = match &outcome.ending {
            Ending::Completed(reason) => format!("completed {:?}", reason.as_ref().map(FinishReason::as_str)),
            Ending::Truncated(error) => format!("truncated {}", error.may_have_had_effect),
            Ending::Cancelled { reason, may_have_had_effect } => {
                format!("cancelled {reason} {may_have_had_effect}")
            }
            Ending::TimedOut { clock, limit, may_have_had_effect } => {
                format!("timed out {} {limit:?} {may_have_had_effect}", clock.as_str())
            }
            Ending::Failed(error) => format!("failed {} {:?}", error.kind.as_str(), error.status),
        };
        Self { ending, text: outcome.reply.text.clone(), records: outcome.stats.records }
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    phase: ModelPhase,
    pub(crate) timeouts: Timeouts,
    limits: Limits,
    now: Instant,
    started: Instant,
    connecting: Instant,
    sent: Instant,
    alive: Instant,
    record: Instant,
    /// Received bytes that are not decoded yet.
    bytes: Vec<u8>,
    stop: Option<Stop>,
    events: VecDeque<String>,
    text: String,
    records: u64,
    outcome: Option<Summary>,
}

impl Model {
    pub(crate) fn new(timeouts: Timeouts, limits: Limits, now: Instant) -> Self {
        Self {
            phase: ModelPhase::Connecting,
            timeouts,
            limits,
            now,
            started: now,
            connecting: now,
            sent: now,
            alive: now,
            record: now,
            bytes: Vec::new(),
            stop: None,
            events: VecDeque::new(),
            text: String::new(),
            records: 0,
            outcome: None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase {
            ModelPhase::Connecting => Phase::Connecting,
            ModelPhase::Opening | ModelPhase::Refused { .. } => Phase::Opening,
            ModelPhase::Waiting => Phase::Waiting,
            ModelPhase::Streaming => Phase::Streaming,
            ModelPhase::Finishing { .. } => Phase::Finishing,
            ModelPhase::Ended => Phase::Ended,
        }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.now = now;
        if self.phase == ModelPhase::Connecting && self.stop.is_none() {
            self.sent = now;
            self.phase = ModelPhase::Opening;
        }
    }

    pub(crate) fn opened(&mut self, status: u16, now: Instant) {
        self.now = now;
        if matches!(self.phase, ModelPhase::Connecting | ModelPhase::Opening) && self.stop.is_none() {
            self.phase = match status {
                200..=299 => ModelPhase::Waiting,
                _ => ModelPhase::Refused { status, bytes: 0, due: now + self.limits.error_body_time },
            };
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8], now: Instant) {
        self.now = now;
        if self.stop.is_some() {
            return;
        }
        match &mut self.phase {
            ModelPhase::Refused { bytes: read, .. } => *read += bytes.len(),
            ModelPhase::Waiting | ModelPhase::Streaming => self.bytes.extend_from_slice(bytes),
            ModelPhase::Connecting
            | ModelPhase::Opening
            | ModelPhase::Finishing { .. }
            | ModelPhase::Ended => return,
        }
        self.alive = now;
    }

    pub(crate) fn end(&mut self, end: End, now: Instant) {
        self.now = now;
        self.stop.get_or_insert(Stop::By(end));
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        if let Some((at, clock, limit)) = self.due()
            && at <= now
        {
            self.stop.get_or_insert(Stop::Clock(clock, limit));
        }
    }

    pub(crate) fn expire(&mut self, limit: Duration, now: Instant) {
        self.now = now;
        self.stop.get_or_insert(Stop::Clock("total", limit));
    }

    pub(crate) fn unpaused(&mut self, now: Instant) {
        self.now = now;
        (self.connecting, self.sent, self.alive, self.record) = (now, now, now, now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due().map(|(at, ..)| at)
    }

    /// The time limit that is reached first.
    fn due(&self) -> Option<(Instant, &'static str, Duration)> {
        let Timeouts { connect, first_event, idle, record, total } = self.timeouts;
        let own = match self.phase {
            ModelPhase::Connecting => vec![(self.connecting, connect, "connect")],
            ModelPhase::Opening | ModelPhase::Waiting => vec![(self.sent, first_event, "first_event")],
            ModelPhase::Streaming => vec![(self.alive, idle, "idle"), (self.record, record, "record")],
            ModelPhase::Refused { due, .. } | ModelPhase::Finishing { due, .. } => {
                vec![(due, Some(Duration::ZERO), "own")]
            }
            ModelPhase::Ended => return None,
        };
        let total = (self.started, total, "total");
        let all =
            own.into_iter().chain((!matches!(self.phase, ModelPhase::Finishing { .. })).then_some(total));
        // The first of those that are reached at the same time.
        all.filter_map(|(from, limit, clock)| Some((from + limit?, clock, limit?))).min_by_key(|(at, ..)| *at)
    }

    pub(crate) fn next_event(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.phase {
                ModelPhase::Waiting | ModelPhase::Streaming => {
                    if !self.take_line() {
                        self.apply_stop();
                        return None;
                    }
                }
                ModelPhase::Connecting
                | ModelPhase::Opening
                | ModelPhase::Refused { .. }
                | ModelPhase::Finishing { .. } => {
                    self.apply_stop();
                    return None;
                }
                ModelPhase::Ended => return None,
            }
        }
    }

    pub(crate) fn take_outcome(&mut self) -> Option<Summary> {
        if self.events.is_empty() { self.outcome.take() } else { None }
    }

    /// Takes one line; `false` if there is none with a meaning.
    fn take_line(&mut self) -> bool {
        let end = self.bytes.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(self.bytes.len());
        if length > self.limits.line_bytes {
            self.finish("failed limit None");
            return true;
        }
        if end.is_none() && (self.stop.is_none() || self.bytes.is_empty()) {
            return false;
        }
        let line: Vec<u8> = self.bytes.drain(..length + usize::from(end.is_some())).collect();
        let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        if line.is_empty() {
            return true;
        }
        match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(record)) => self.take_record(&Value::Object(record)),
            found => {
                let whole = matches!(self.stop, Some(Stop::By(End::Clean | End::Cut)));
                let begins_a_record = found.is_err_and(|error| error.is_eof());
                if end.is_none() && (begins_a_record || !whole) {
                    return false;
                }
                self.finish("failed protocol None");
            }
        }
        true
    }

    fn take_record(&mut self, record: &Value) {
        let is_known = record["message"].is_object() || record["done"].is_boolean();
        if !is_known && record["error"].is_null() {
            return;
        }
        self.records += 1;
        self.record = self.now;
        self.phase = ModelPhase::Streaming;
        if !record["error"].is_null() {
            return self.finish("failed server None");
        }
        if let Some(text) = record["message"]["content"].as_str().filter(|text| !text.is_empty()) {
            self.text += text;
            self.events.push_back(text.to_owned());
        }
        if record["done"] == true {
            let reason = record["done_reason"].as_str().map(str::to_owned);
            self.phase = ModelPhase::Finishing { reason, due: self.now + self.limits.finish_time };
        }
    }

    fn apply_stop(&mut self) {
        if let ModelPhase::Refused { status, bytes, .. } = self.phase {
            if self.stop.is_some() || bytes >= self.limits.error_body_bytes {
                let kind = match status {
                    404 => "not_found",
                    429 | 503 => "busy",
                    _ => "server",
                };
                self.finish(&format!("failed {kind} Some({status})"));
            }
            return;
        }
        let Some(stop) = self.stop.clone() else { return };
        let sent = self.phase != ModelPhase::Connecting;
        let ending = match (&self.phase, stop) {
            (ModelPhase::Finishing { reason, .. }, _) => format!("completed {:?}", reason.as_deref()),
            (_, Stop::By(End::Clean | End::Cut)) => format!("truncated {sent}"),
            (_, Stop::By(End::Broken)) => "failed connection_lost None".into(),
            (_, Stop::By(End::Cancel)) => format!("cancelled enough {sent}"),
            (_, Stop::Clock(clock, limit)) => format!("timed out {clock} {limit:?} {sent}"),
        };
        self.finish(&ending);
    }

    fn finish(&mut self, ending: &str) {
        self.phase = ModelPhase::Ended;
        self.outcome =
            Some(Summary { ending: ending.into(), text: self.text.clone(), records: self.records });
    }
}
