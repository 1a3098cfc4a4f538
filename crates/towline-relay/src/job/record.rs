//! What is kept of a job.

use serde::{Deserialize, Serialize};
use towline::relay::JobState;

use super::Framing;

/// The part of a job that outlives the process, kept with its stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) upstream: String,
    pub(crate) request_id: Option<String>,
    /// Of its path and body, where it has an id.
    #[serde(default)]
    pub(crate) request_digest: Option<String>,
    /// As the request wants the answer.
    #[serde(default)]
    pub(crate) framing: Framing,
    pub(crate) detached: bool,
    /// How it ended; `None` while it runs.
    pub(crate) ended: Option<JobState>,
    /// Unix milliseconds.
    pub(crate) ended_ms: Option<u64>,
    pub(crate) cause: Option<String>,
    pub(crate) records: u64,
    /// What came that is no record of the dialect.
    #[serde(default)]
    pub(crate) not_understood: u64,
    pub(crate) tokens_per_second: Option<f64>,
}
