//! A relay's job, as the relay describes it.

use std::fmt;

use serde::{Deserialize, Serialize};
use towline_core::outcome::Ending;

/// A job of a relay.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id, which is also the id of its stream.
    pub id: String,
    /// Its name, which works wherever its id does; it is unique among the owner's jobs.
    #[serde(default)]
    pub name: Option<String>,
    /// Its number: `%3` works wherever its id does, until another job gets the number. Running jobs have
    /// different numbers. `None` if more than 99 jobs run.
    #[serde(default)]
    pub number: Option<u32>,
    /// The question: the user's last message, up to 1,000 characters.
    #[serde(default)]
    pub question: Option<String>,
    /// Number of the user's messages before the question.
    #[serde(default)]
    pub questions_before: u64,
    /// Its conversation, as its client names it.
    #[serde(default)]
    pub conversation: Option<String>,
    /// Its turn in that conversation, as its client names it.
    #[serde(default)]
    pub turn: Option<String>,
    /// The client that asked: `command`, `prompt`, `window`, `python`, `page`, or another name that a client
    /// gives.
    #[serde(default)]
    pub asked_by: Option<String>,
    /// Its group.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether a model server may have received the request. `false` while the job is queued, and permanently
    /// if it ended in the queue: then a retry repeats nothing. `true` while a job without a group runs.
    #[serde(default = "unknown")]
    pub sent: bool,
    /// The id of the job whose request this job repeats.
    #[serde(default)]
    pub retry_of: Option<String>,
    /// The model that was asked.
    #[serde(default)]
    pub model: Option<String>,
    /// The endpoint that was asked, for example `/api/chat`.
    #[serde(default)]
    pub path: String,
    /// The name of the server to which it was sent.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Its state.
    pub state: AnswerState,
    /// When it was accepted (RFC 3339).
    #[serde(default)]
    pub created_at: String,
    /// When it ended (RFC 3339).
    #[serde(default)]
    pub ended_at: Option<String>,
    /// Bytes in its log.
    #[serde(default)]
    pub bytes: u64,
    /// Records in its log.
    #[serde(default)]
    pub records: u64,
    /// Number of frames from its upstream that are not records of the dialect; known once it has ended.
    #[serde(default)]
    pub not_understood: u64,
    /// Tokens of the answer: the server's count once it has reported one, otherwise the number of records.
    /// `None` if the answer has no tokens, as for a pull.
    #[serde(default)]
    pub tokens: Option<u64>,
    /// Tokens per second, if known.
    #[serde(default)]
    pub tokens_per_second: Option<f64>,
    /// Seconds since it was accepted.
    #[serde(default)]
    pub age_s: f64,
    /// Seconds since its upstream last sent something.
    #[serde(default)]
    pub since_last_s: Option<f64>,
    /// Seconds until its deadline.
    #[serde(default)]
    pub deadline_s: Option<f64>,
    /// Number of current readers.
    #[serde(default)]
    pub readers: u64,
    /// Whether its request is kept, so that it can be retried.
    #[serde(default)]
    pub has_request: bool,
    /// Whether it runs without a reader too.
    #[serde(default)]
    pub detached: bool,
    /// The end of its log.
    #[serde(default)]
    pub offset: String,
    /// The media type of its log.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Why it ended, if it did not complete.
    #[serde(default)]
    pub cause: Option<String>,
}

impl Job {
    /// A job of which only id and state are known.
    pub fn new(id: impl Into<String>, state: AnswerState) -> Self {
        Self {
            id: id.into(),
            name: None,
            number: None,
            question: None,
            questions_before: 0,
            conversation: None,
            turn: None,
            asked_by: None,
            group: None,
            sent: true,
            retry_of: None,
            model: None,
            path: String::new(),
            upstream: None,
            state,
            created_at: String::new(),
            ended_at: None,
            bytes: 0,
            records: 0,
            not_understood: 0,
            tokens: None,
            tokens_per_second: None,
            age_s: 0.0,
            since_last_s: None,
            deadline_s: None,
            readers: 0,
            has_request: false,
            detached: false,
            offset: String::new(),
            content_type: None,
            cause: None,
        }
    }
}

/// The default for relays of earlier versions, which do not report whether they sent a request.
fn unknown() -> bool {
    true
}

/// The state of a relay's job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerState {
    /// Queued, because the relay already runs as many answers as its limit allows.
    Queued,
    /// No connection to the server yet.
    Connecting,
    /// Nothing received yet.
    Waiting,
    /// Receiving.
    Streaming,
    /// Not reading from the server until it is unpaused.
    Paused,
    /// Cancelled, but not ended yet.
    Cancelling,
    /// Ended: the answer is complete.
    Completed,
    /// Ended: the server stopped before its terminal record.
    Truncated,
    /// Ended: cancelled on purpose.
    Cancelled,
    /// Ended: its deadline passed.
    TimedOut,
    /// Ended: the server failed or could not be reached.
    Failed,
    /// Ended: the relay itself ended while the job ran.
    Interrupted,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl AnswerState {
    /// The state of a job whose stream has this ending.
    pub fn of_ending(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(_) => Self::Completed,
            Ending::Truncated(_) => Self::Truncated,
            Ending::Cancelled { .. } => Self::Cancelled,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Failed(_) => Self::Failed,
        }
    }

    /// Whether the job has ended.
    pub fn is_ended(&self) -> bool {
        match self {
            Self::Queued
            | Self::Connecting
            | Self::Waiting
            | Self::Streaming
            | Self::Paused
            | Self::Cancelling
            | Self::Other(_) => false,
            Self::Completed
            | Self::Truncated
            | Self::Cancelled
            | Self::TimedOut
            | Self::Failed
            | Self::Interrupted => true,
        }
    }

    /// The state's name, as the relay writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Streaming => "streaming",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for AnswerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_with_what_it_lacks_and_with_what_is_new() {
        let job: Job = serde_json::from_str(
            r#"{"id":"a1","state":"timed_out","model":"m","deadline_s":null,"offset":"1_5","later":1}"#,
        )
        .unwrap();
        assert_eq!(
            (job.id.as_str(), job.state.as_str(), job.model.as_deref()),
            ("a1", "timed_out", Some("m"))
        );
        assert!(job.state.is_ended());
        let job: Job = serde_json::from_str(r#"{"id":"a1","state":"dreaming"}"#).unwrap();
        assert_eq!(job.state, AnswerState::Other("dreaming".into()));
    }
}
