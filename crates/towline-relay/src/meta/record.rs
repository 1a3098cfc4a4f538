//! The stored record of a job.

use serde::{Deserialize, Serialize};
use towline::relay::AnswerState;

use super::Framing;
use crate::id::StreamId;

/// The part of a job that outlives the process, stored with its stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// A handle, like the id, unique for the owner; empty only in a store of an earlier version.
    pub(crate) name: String,
    /// The smallest number that no running job of its owner had at its creation; `None` if too many ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u32>,
    /// The question, and the number of questions before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<String>,
    #[serde(default)]
    pub(crate) questions_before: u64,
    /// The conversation and turn that the client gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_by: Option<String>,
    /// Its group, and the group's limit of running jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_running: Option<usize>,
    /// The job whose request it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_of: Option<StreamId>,
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) upstream: String,
    /// The model server that the request chose: the name of a configured one, or its address without user and
    /// password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// The length of the stored request, in bytes; `None` if none is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// The digest of its path and body, if it has a request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_digest: Option<String>,
    /// The framing that the request asks for.
    #[serde(default)]
    pub(crate) framing: Framing,
    pub(crate) detached: bool,
    /// Whether a model server may have received the request. Stored before the request is sent, if the job
    /// was queued or belongs to a group; otherwise it is exact only once the job has ended.
    #[serde(default = "unknown")]
    pub(crate) sent: bool,
    /// Its final state; `None` while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<AnswerState>,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    pub(crate) records: u64,
    /// Number of frames that were not records of the dialect.
    #[serde(default)]
    pub(crate) not_understood: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_second: Option<f64>,
}

/// The default for records of earlier versions: the request may have been sent.
fn unknown() -> bool {
    true
}
