//! The jobs as rows: the window's own, then those of the relay that are not read here.

use std::time::Duration;

use towline::engine::JobState;
use towline::engine::{JobId, JobInfo};
use towline::relay;

use crate::chats::{STALLED_SECONDS, tokens};
use crate::relay::{KnownJob, short};

/// One job, for display.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which job.
    pub which: RowJob,
    /// What it is doing.
    pub state: RowState,
    /// Its name on the relay, if it has one.
    pub name: Option<String>,
    /// The model.
    pub model: String,
    /// Its chat's title, if it has one.
    pub chat: Option<String>,
    /// How much was received, for people.
    pub received: String,
    /// Tokens a second.
    pub rate: f64,
    /// Time since anything was received.
    pub silent: Option<Duration>,
    /// Time until its deadline.
    pub deadline: Option<Duration>,
}

/// The job of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowJob {
    /// A job of the window's engine, and whether a relay runs its stream, so that it can be left there.
    Own(JobId, bool),
    /// A job of the relay, and what reading it would do; `None` if its chat has all of it, or if it is not an
    /// answer.
    Relay(String, Option<Reading>),
}

/// The effect of reading one of the relay's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Its chat continues with it.
    Rejoin,
    /// It gets a new chat.
    Adopt,
}

/// The severity of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It continues.
    Good,
    /// It is blocked, or was cancelled.
    Warning,
    /// It failed.
    Bad,
    /// It is done.
    Done,
}

/// What a job is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    /// In words.
    pub words: String,
    /// What that means.
    pub tone: Tone,
    /// Nothing more comes.
    pub is_ended: bool,
    /// It can be unpaused.
    pub is_paused: bool,
}

/// A row of a window's own job, with the relay's data if the relay runs it.
pub fn own_job(info: JobInfo, is_at_relay: bool, known: Option<&KnownJob>, chat: Option<String>) -> Row {
    let model = known.and_then(|known| known.job.model.as_deref()).unwrap_or(&info.name).to_owned();
    Row {
        which: RowJob::Own(info.id, is_at_relay),
        state: shown(&info),
        name: known.and_then(|known| known.job.name.clone()),
        model,
        chat,
        received: tokens(info.tokens),
        rate: info.tokens_per_second,
        silent: info.since_last_event,
        deadline: info.deadline_in,
    }
}

/// One of the relay's.
pub fn of_relay(known: &KnownJob, owner: Option<&(String, bool)>) -> Row {
    let job = &known.job;
    let is_answer = !matches!(job.path.as_str(), "/api/pull" | "/api/push" | "/api/create");
    let reading = match owner {
        Some((_, has_rest)) => has_rest.then_some(Reading::Rejoin),
        None => is_answer.then_some(Reading::Adopt),
    };
    let state = shown_at_relay(job);
    let runs = !state.is_ended;
    Row {
        which: RowJob::Relay(job.id.clone(), reading),
        name: job.name.clone().filter(|name| !name.is_empty()),
        model: job.model.clone().unwrap_or_else(|| "–".to_owned()),
        chat: owner.map(|(title, _)| title.clone()),
        received: job.tokens.map_or_else(|| format!("{} records", job.records), tokens),
        rate: job.tokens_per_second.unwrap_or_default(),
        silent: known.silent_for().filter(|_| runs),
        deadline: known.deadline_in().filter(|_| runs),
        state,
    }
}

fn shown(info: &JobInfo) -> RowState {
    let silent = info.since_last_event.map_or(0, |time| time.as_secs());
    let is_stalled = info.state == JobState::Streaming && silent >= STALLED_SECONDS;
    let tone = match info.state {
        JobState::Streaming if is_stalled => Tone::Warning,
        JobState::Queued
        | JobState::Connecting
        | JobState::Waiting
        | JobState::Streaming
        | JobState::Running => Tone::Good,
        JobState::Paused | JobState::Cancelling | JobState::Cancelled | JobState::Truncated => Tone::Warning,
        JobState::TimedOut | JobState::Failed => Tone::Bad,
        JobState::Completed => Tone::Done,
    };
    let words =
        if is_stalled { format!("stalled {silent} s") } else { info.state.as_str().replace('_', " ") };
    RowState { words, tone, is_ended: info.state.is_ended(), is_paused: info.state == JobState::Paused }
}

fn shown_at_relay(job: &relay::Job) -> RowState {
    use relay::AnswerState as At;
    let tone = match job.state {
        At::Queued | At::Connecting | At::Waiting | At::Streaming | At::Other(_) => Tone::Good,
        At::Paused | At::Cancelling | At::Cancelled | At::Truncated | At::Interrupted => Tone::Warning,
        At::TimedOut | At::Failed => Tone::Bad,
        At::Completed => Tone::Done,
    };
    let words = job.state.as_str().replace('_', " ");
    RowState { words, tone, is_ended: job.state.is_ended(), is_paused: job.state == At::Paused }
}

impl RowJob {
    /// Its label for people and screen readers.
    pub fn label(&self) -> String {
        match self {
            Self::Own(id, _) => format!("job {id}"),
            Self::Relay(id, _) => format!("relay job {}", short(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_relays_job_says_what_it_does_and_what_can_be_done() {
        let job = |path: &str, state: &str| {
            KnownJob {
            job: serde_json::from_str(&format!(
                r#"{{"id":"abcdefghij","model":"m","name":"n","path":"{path}","state":"{state}","deadline_s":60,
                    "since_last_s":1,"records":3,"tokens_per_second":2.5}}"#
            ))
            .unwrap(),
            reported: Instant::now(),
        }
        };
        let row = of_relay(&job("/api/chat", "streaming"), None);
        assert_eq!((row.name.as_deref(), row.model.as_str()), (Some("n"), "m"));
        assert_eq!((row.received.as_str(), row.rate), ("3 records", 2.5));
        assert!(row.deadline.is_some_and(|left| left <= Duration::from_secs(60)));
        assert_eq!(row.which, RowJob::Relay("abcdefghij".into(), Some(Reading::Adopt)));
        assert_eq!(row.which.label(), "relay job abcdefgh");
        let reading =
            |path, owner: Option<(String, bool)>| match of_relay(&job(path, "completed"), owner.as_ref()) {
                Row { which: RowJob::Relay(_, reading), silent: None, deadline: None, .. } => reading,
                row => panic!("{row:?}"),
            };
        assert_eq!(reading("/api/pull", None), None);
        assert_eq!(reading("/api/chat", Some(("t".into(), true))), Some(Reading::Rejoin));
        assert_eq!(reading("/api/chat", Some(("t".into(), false))), None);
    }
}
