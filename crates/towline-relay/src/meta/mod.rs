//! The metadata of a stream.

mod framing;
mod record;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub(crate) use framing::{Framing, OneValue};
pub(crate) use record::JobRecord;

use crate::id::{Owner, StreamId};
use crate::offset::Incarnations;

/// The metadata of a stream that must outlive the process. It is written with the bytes to which it belongs,
/// in one batch. Absent fields are omitted, because the metadata of a short answer is as long as the answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) id: StreamId,
    pub(crate) owner: Owner,
    pub(crate) content_type: String,
    /// Unix time, in milliseconds.
    pub(crate) created_ms: u64,
    /// The time of the last read or write, in Unix milliseconds; updated only if there is a time to live.
    pub(crate) touched_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_s: Option<u64>,
    /// As the client wrote it, and in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<(String, u64)>,
    pub(crate) closed: bool,
    /// The length of the log of a closed stream, in bytes, so that a start need not search for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<u64>,
    pub(crate) incarnations: Incarnations,
    /// The last `Stream-Seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_seq: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) producers: BTreeMap<String, Producer>,
    /// The producer whose append closed the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed_by: Option<(String, Producer)>,
    /// The job that writes it; `None` for a stream that a client writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<JobRecord>,
}

/// The progress of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producer {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl Meta {
    pub(crate) fn new(id: StreamId, owner: Owner, content_type: &str, incarnation: u64) -> Self {
        let now = now_ms();
        Self {
            id,
            owner,
            content_type: content_type.to_owned(),
            created_ms: now,
            touched_ms: now,
            ttl_s: None,
            expires_at: None,
            closed: false,
            end: None,
            incarnations: Incarnations::beginning(incarnation),
            last_seq: None,
            producers: BTreeMap::new(),
            closed_by: None,
            job: None,
        }
    }

    /// The media type without parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        media_type(&self.content_type)
    }

    /// Whether its messages are JSON values.
    pub(crate) fn is_json(&self) -> bool {
        self.job.is_none() && self.media_type() == "application/json"
    }

    /// When it expires, in Unix milliseconds.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        let sliding = self.ttl_s.map(|ttl| self.touched_ms.saturating_add(ttl.saturating_mul(1000)));
        sliding.or(self.expires_at.as_ref().map(|(_, at)| *at))
    }
}

/// The media type of a `Content-Type` without parameters, in lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Unix time in milliseconds, advanced monotonically from the start of the process. Ages are measured with
/// it, so setting the clock a day ahead deletes nothing.
pub(crate) fn steady_now_ms() -> u64 {
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (began, then) = START.get_or_init(|| (Instant::now(), now_ms()));
    then.saturating_add(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Unix milliseconds as RFC 3339.
pub(crate) fn rfc3339(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}
