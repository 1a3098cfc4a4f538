//! The end of a log that its server did not end.

use serde_json::json;
use towline::relay::AnswerState;
use towline_core::dialect::Dialect;
use towline_core::error::ErrorKind;
use towline_core::outcome::Ending;

use super::Recorded;

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ended {
    pub(crate) state: AnswerState,
    /// For people; `None` if the answer is complete.
    pub(crate) cause: Option<String>,
    /// The status of a server that refused.
    pub(crate) status: Option<u16>,
    /// Whether the server's own last record already says so.
    pub(crate) is_said: bool,
}

impl Ended {
    pub(crate) fn of(ending: &Ending, was_opened: bool) -> Self {
        let state = AnswerState::of_ending(ending);
        let Some(error) = ending.error() else {
            return Self { state, cause: None, status: None, is_said: true };
        };
        // An error record in the stream, not the status of a refusal.
        let is_said = was_opened && error.kind == ErrorKind::Server;
        let status = if was_opened { None } else { error.status };
        let cause = match ending {
            // Without the word that the state already contains.
            Ending::Cancelled { reason, .. } => reason.clone(),
            Ending::Completed(_) | Ending::Truncated(_) | Ending::TimedOut { .. } | Ending::Failed(_) => {
                error.message
            }
        };
        Self { state, cause: Some(cause), status, is_said }
    }

    /// The store did not accept the rest.
    pub(crate) fn not_written() -> Self {
        let cause = "the rest of the answer could not be recorded; the part before it is kept".to_owned();
        Self { state: AnswerState::Failed, cause: Some(cause), status: None, is_said: false }
    }

    /// The relay ended before the job did, possibly before a model server received the request.
    pub(crate) fn interrupted(sent: bool) -> Self {
        let cause =
            if sent { "the relay ended" } else { "the relay ended before the request was sent" }.to_owned();
        Self { state: AnswerState::Interrupted, cause: Some(cause), status: None, is_said: false }
    }
}

/// The record that tells readers how the stream ended, in their dialect and on a separate line. `last` are
/// the last bytes of the log. Empty if the server has sent its own.
pub(crate) fn error_record(ended: &Ended, kind: Recorded, media_type: &str, last: &[u8]) -> Vec<u8> {
    if ended.is_said {
        return Vec::new();
    }
    let cause = ended.cause.as_deref().unwrap_or_default();
    let code = ended.state.as_str();
    let message = match ended.state {
        AnswerState::Cancelled => format!("cancelled: {cause}"),
        AnswerState::Interrupted => format!("interrupted: {cause}"),
        AnswerState::Queued
        | AnswerState::Connecting
        | AnswerState::Waiting
        | AnswerState::Streaming
        | AnswerState::Paused
        | AnswerState::Cancelling
        | AnswerState::Completed
        | AnswerState::Truncated
        | AnswerState::TimedOut
        | AnswerState::Failed
        | AnswerState::Other(_) => cause.to_owned(),
    };
    let is_events = media_type == "text/event-stream";
    let mut record = separator(is_events, last).to_vec();
    let with_status = |mut value: serde_json::Value| {
        if let (Some(status), Some(object)) = (ended.status, value.as_object_mut()) {
            object.insert("status".into(), status.into());
        }
        value
    };
    if is_events {
        let error = with_status(json!({"message": message, "type": "towline", "code": code}));
        let event = match kind.dialect() {
            Dialect::Ollama | Dialect::OllamaProgress | Dialect::OpenAi => {
                format!("data: {}\n\n", json!({ "error": error }))
            }
            // Their clients look for an event of this name and type.
            Dialect::Responses | Dialect::Messages => {
                let data = json!({"type": "error", "code": code, "message": message, "error": error});
                format!("event: error\ndata: {data}\n\n")
            }
        };
        record.extend_from_slice(event.as_bytes());
    } else {
        let towline = with_status(json!({"outcome": code, "cause": cause}));
        record.extend_from_slice(format!("{}\n", json!({"error": message, "towline": towline})).as_bytes());
    }
    record
}

/// The separator after a cut record, so that the next record is on its own line.
fn separator(is_events: bool, last: &[u8]) -> &'static [u8] {
    if last.is_empty() {
        return b"";
    }
    if !is_events {
        return if last.ends_with(b"\n") { b"" } else { b"\n" };
    }
    if last.ends_with(b"\n\n") || last.ends_with(b"\n\r\n") || last.ends_with(b"\r\r") {
        b""
    } else if last.ends_with(b"\n") || last.ends_with(b"\r") {
        b"\n"
    } else {
        b"\n\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: Option<u16>) -> Ended {
        Ended { state: AnswerState::Truncated, cause: Some("why".into()), status, is_said: false }
    }

    #[test]
    fn the_record_stands_on_a_line_of_its_own() {
        let record = |media_type, last: &[u8]| {
            String::from_utf8(error_record(&ended(None), Recorded::OpenAiChat, media_type, last)).unwrap()
        };
        let ndjson = "{\"error\":\"why\",\"towline\":{\"outcome\":\"truncated\",\"cause\":\"why\"}}\n";
        assert_eq!(record("application/x-ndjson", b""), ndjson);
        assert_eq!(record("application/x-ndjson", b"{}\n"), ndjson);
        assert_eq!(record("application/x-ndjson", b"{\"a"), format!("\n{ndjson}"));
        let sse = "data: {\"error\":{\"message\":\"why\",\"type\":\"towline\",\"code\":\"truncated\"}}\n\n";
        for (last, before) in [("", ""), ("x\n\n", ""), ("x\r\n\r\n", ""), ("x\n", "\n"), ("x", "\n\n")] {
            assert_eq!(record("text/event-stream", last.as_bytes()), format!("{before}{sse}"), "{last:?}");
        }
    }

    #[test]
    fn a_refusal_has_its_status() {
        let record = error_record(&ended(Some(404)), Recorded::Chat, "application/x-ndjson", b"");
        assert!(String::from_utf8(record).unwrap().contains("\"status\":404"));
    }

    #[test]
    fn apis_of_named_events_have_an_event_of_their_own() {
        for kind in [Recorded::Responses, Recorded::Messages] {
            let record = error_record(&ended(None), kind, "text/event-stream", b"x\n\n");
            let record = String::from_utf8(record).unwrap();
            assert!(record.starts_with("event: error\ndata: {\"type\":\"error\","), "{record}");
        }
    }
}
