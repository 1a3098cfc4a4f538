//! What is kept of a job.

use serde::{Deserialize, Serialize};
use towline::relay::AnswerState;

use super::Framing;
use crate::id::StreamId;

/// The part of a job that outlives the process, kept with its stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// A handle of its owner's, as the id; empty only in a store that an earlier version wrote.
    pub(crate) name: String,
    /// The smallest that no job of its owner had that ran when it was made; `None` where too many ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u32>,
    /// What was asked, and how many questions came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<String>,
    #[serde(default)]
    pub(crate) questions_before: u64,
    /// What the client says that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_by: Option<String>,
    /// The group that it belongs to, and how many of that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_running: Option<usize>,
    /// The job whose request it asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_of: Option<StreamId>,
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) upstream: String,
    /// The model server that the request chose: the name of a configured one, or where it is, without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// How long the request is that is kept with it, in bytes; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// Of its path and body, where it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_digest: Option<String>,
    /// As the request wants the answer.
    #[serde(default)]
    pub(crate) framing: Framing,
    pub(crate) detached: bool,
    /// Whether a model server may have got the request. Written before one does, where the job waited for its turn or belongs to a
    /// group; else it is exact only once the job has ended.
    #[serde(default = "unknown")]
    pub(crate) sent: bool,
    /// How it ended; `None` while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<AnswerState>,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    pub(crate) records: u64,
    /// What came that is no record of the dialect.
    #[serde(default)]
    pub(crate) not_understood: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_second: Option<f64>,
}

/// What an earlier version did not write may have been sent.
fn unknown() -> bool {
    true
}
