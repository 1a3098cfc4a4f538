//! The record with which a relay closes an answer that its upstream did not end.
//!
//! It is an error record of the answer's own dialect, so any client knows that the answer is incomplete. An
//! addition says how the job ended: in Ollama's dialects `"towline":{"outcome":…,"cause":…}` beside the
//! error, in OpenAI's an error of the type `towline` with the outcome as its code.

use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// The ending of a relay's job that did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// The upstream ended without its terminal record, or the relay was interrupted.
    Truncated,
    /// The job was cancelled.
    Cancelled,
    /// The job's deadline passed.
    TimedOut,
    /// The upstream failed.
    Failed,
}

impl Relayed {
    /// The ending in the record, if a relay wrote it. An unknown word means a failure.
    pub(super) fn of(error: &Json<'_>, record: &Json<'_>) -> Option<Self> {
        let in_ollama = record.get("towline").and_then(|towline| towline.get("outcome"));
        let by_towline = error.get("type").and_then(Json::as_str) == Some("towline");
        let word = in_ollama.or_else(|| error.get("code").filter(|_| by_towline))?.as_str()?;
        Some(match word {
            "truncated" | "interrupted" => Self::Truncated,
            "cancelled" => Self::Cancelled,
            "timed_out" => Self::TimedOut,
            _ => Self::Failed,
        })
    }
}

/// Why the job ended, as text: the cause if there is one, else the error's own message.
pub(super) fn cause(record: &Json<'_>) -> Option<String> {
    let cause = record.get("towline")?.get("cause")?.as_str()?;
    Some(crate::quote::quote(cause.as_bytes())).filter(|cause| !cause.is_empty())
}

/// Gives an upstream's refusal the same kind of failure as without a relay.
pub(super) fn classify(error: &mut Error, record: &Json<'_>, inner: &Json<'_>) {
    let beside = record.get("towline").and_then(|towline| towline.get("status"));
    let status = [record.get("status"), inner.get("status"), beside].into_iter().flatten();
    let status = status.filter_map(|status| u16::try_from(status.as_integer()?).ok());
    let mut status = status.filter(|status| (400..600).contains(status));
    if let Some(status) = status.next().or(error.status) {
        let refused = Error::from_status(status, b"", None);
        error.kind = refused.kind;
        error.status = Some(status);
        error.may_have_had_effect = refused.may_have_had_effect;
    }
}

pub(super) fn truncated(error: &mut Error) {
    error.kind = ErrorKind::Truncated;
}
