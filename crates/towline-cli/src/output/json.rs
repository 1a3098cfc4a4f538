//! The lines of `--json`: a stable interface, described in `docs/json-output.md`.

use serde::Serialize;
use serde_json::{Value, json};
use towline::outcome::{Clock, FinishReason, NotUnderstood};
use towline::{Ending, Event, Outcome};

/// The first line, printed before the request is sent.
pub fn start(model: Option<&str>, server: &str) -> String {
    line(&json!({ "event": "start", "model": model, "server": server }))
}

/// A piece of text; there are very many of these.
#[derive(Serialize)]
struct Piece<'a> {
    event: &'static str,
    text: &'a str,
}

/// An event's line. Token counts are part of the end; log probabilities cannot be requested.
pub fn event(event: &Event) -> Option<String> {
    let value = match event {
        Event::Text(text) => return Some(line(&Piece { event: "text", text })),
        Event::Thinking(text) => return Some(line(&Piece { event: "thinking", text })),
        Event::ToolCall(call) => json!({
            "event": "tool_call", "name": call.name, "arguments": call.arguments, "id": call.id,
        }),
        Event::Image(image) => json!({ "event": "image", "base64": image.base64 }),
        Event::Progress(progress) => json!({
            "event": "progress", "status": progress.status, "digest": progress.digest,
            "completed": progress.completed, "total": progress.total,
        }),
        Event::Usage(_) | Event::Logprobs(_) => return None,
    };
    Some(line(&value))
}

/// The last line.
pub fn end(outcome: &Outcome) -> String {
    let reason = match &outcome.ending {
        Ending::Completed(reason) => reason.as_ref().map(FinishReason::as_str),
        Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } | Ending::Failed(_) => None,
    };
    line(&json!({
        "event": "end",
        "outcome": outcome.ending.as_str(),
        "reason": reason,
        "error": error(&outcome.ending),
        "records": outcome.stats.records,
        "text_bytes": outcome.reply.text.len(),
        "not_understood": not_understood(&outcome.not_understood),
        "usage": outcome.reply.usage,
        "timing": {
            "first_event_ms": outcome.stats.first_event.map(milliseconds),
            "total_ms": milliseconds(outcome.stats.total),
        },
    }))
}

fn not_understood(frames: &NotUnderstood) -> Value {
    if frames.count == 0 {
        return Value::Null;
    }
    json!({ "count": frames.count, "first": frames.first })
}

/// The error of an ending; null if the answer completed.
pub fn error(ending: &Ending) -> Value {
    let Some(error) = ending.error() else { return Value::Null };
    let mut value = json!({
        "kind": error.kind.as_str(),
        "message": error.message,
        "fault": error.fault.as_str(),
        "status": error.status,
        "retry_after": error.retry_after.map(|wait| wait.as_secs_f64()),
        "may_have_had_effect": error.may_have_had_effect,
    });
    if let Some(clock) = clock(ending) {
        value["clock"] = json!(clock.as_str());
    }
    value
}

fn clock(ending: &Ending) -> Option<Clock> {
    match ending {
        Ending::TimedOut { clock, .. } => Some(*clock),
        Ending::Completed(_) | Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::Failed(_) => None,
    }
}

/// To the microsecond.
fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// One line of JSON. In addition to JSON's rules, DEL and C1 control characters are escaped, because some
/// terminals execute them.
pub fn line(value: &impl Serialize) -> String {
    let mut text =
        serde_json::to_string(value).unwrap_or_else(|error| unreachable!("plain data is JSON: {error}"));
    if text.contains(|c: char| c.is_control()) {
        text = text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, c| {
            // JSON has control characters only inside strings.
            if c.is_control() {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                escaped.push(c);
            }
            escaped
        });
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left_in_a_line() {
        let text = "\u{1b}[31m\u{9b}31m\u{7f}\u{85}\u{2028} é";
        let written = event(&Event::Text(text.into())).unwrap();
        assert!(!written.trim_end_matches('\n').contains(|c: char| c.is_control()), "{written:?}");
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["text"], text);
    }
}
