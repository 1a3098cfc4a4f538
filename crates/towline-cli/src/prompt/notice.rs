//! Describes jobs: the lines of `jobs`, the notices about ended jobs, the status row. The layout is that of
//! bash.

use std::time::Duration;

use serde_json::{Value, json};
use towline::engine::JobInfo;
use towline::engine::JobState;
use towline::event::Progress;
use towline::{Ending, Outcome};
use towline_app::text::units;

use super::item::{Item, Kind};
use super::jobs::Entry;

/// Maximum number of characters of a question in a line.
const WORDS: usize = 40;
/// The width of the state column in bash.
const STATE: usize = 24;

/// The first words of a text, in quotes.
pub fn first_words(text: &str) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > WORDS {
        words = words.chars().take(WORDS - 1).collect::<String>().trim_end().to_owned() + "…";
    }
    format!("\"{words}\"")
}

/// The command of a job: `gemma3  "what is a river?"`, `pull gemma3`, `pipe %1 | wc`.
pub fn title(entry: &Entry<Item>) -> String {
    match &entry.item.kind {
        Kind::Answer(_) | Kind::Elsewhere => format!("{}  {}", entry.name, first_words(&entry.text)),
        Kind::Pull | Kind::Sink { .. } if entry.name == entry.item.model => entry.text.clone(),
        Kind::Pull | Kind::Sink { .. } => format!("{}  {}", entry.name, entry.text),
    }
}

/// A notice: `[1]+  Done                    gemma3  "what is a river?"`.
pub fn notice(entry: &Entry<Item>, mark: char) -> String {
    let item = &entry.item;
    let mut state = item.word().to_owned();
    if let Some(Ok(status)) = item.exit_status().filter(|_| state == "Exit") {
        state = format!("Exit {status}");
    }
    let mut line = format!("[{}]{mark}  {state:<STATE$}{}", entry.number, title(entry));
    if !item.is_over() {
        line.push_str(if item.in_front { "" } else { " &" });
    } else if let Some(why) = why(item) {
        line.push_str(&format!(": {why}"));
    }
    line
}

/// The reason, if the job did not end normally.
fn why(item: &Item) -> Option<String> {
    match &item.outcome.as_ref()?.ending {
        Ending::Completed(_) => item.exit_status()?.as_ref().err().cloned(),
        Ending::Cancelled { .. } => None,
        Ending::TimedOut { .. } => Some("its deadline or a time limit has passed".to_owned()),
        Ending::Truncated(error) | Ending::Failed(error) => Some(error.message.clone()),
    }
}

/// A line of `jobs`.
pub fn listed(entry: &Entry<Item>, mark: char, long: bool) -> String {
    let item = &entry.item;
    let Some(info) = item.info() else {
        return format!("[{}]{mark}  {:<STATE$}{}", entry.number, item.word(), title(entry));
    };
    let mut state = item.word().to_owned();
    if state == "Running" && info.state != JobState::Running {
        state = format!("Running ({})", info.state);
    }
    let mut parts = vec![];
    if let Some(progress) = &item.progress {
        parts.push(progress_text(progress));
    } else if info.tokens > 0 {
        parts.push(format!("{} tok", info.tokens));
        parts.extend(item.tokens_per_second().map(|rate| format!("{rate:.1} tok/s")));
    }
    parts.push(units::running(info.age).to_string());
    parts.extend(info.deadline_in.map(|left| format!("deadline {}", units::running(left))));
    parts.extend(entry.handle.clone());
    let behind = if item.is_over() || item.in_front { "" } else { " &" };
    let mut line =
        format!("[{}]{mark}  {state:<STATE$}{}{behind}  ({})", entry.number, title(entry), parts.join(", "));
    if long {
        line.push_str(&format!(
            "\n      id {}, model {}, {} received in {} {}, log {}",
            info.id,
            info.model.as_deref().unwrap_or("-"),
            units::bytes(info.received_bytes),
            info.records,
            if info.records == 1 { "record" } else { "records" },
            units::bytes(info.log_bytes as u64),
        ));
        line.extend(info.since_last_event.map(|since| format!(", last event {} ago", units::running(since))));
    }
    line
}

/// A job as an object of `jobs --json`.
pub fn as_json(entry: &Entry<Item>, mark: char) -> Value {
    let item = &entry.item;
    let info = item.info();
    let of = |value: fn(&JobInfo) -> Value| info.as_ref().map_or(Value::Null, value);
    json!({
        "number": entry.number,
        "mark": mark.to_string().trim(),
        "name": entry.name,
        "text": entry.text,
        "state": info.as_ref().map_or(if item.is_held() { "queued" } else { "cancelled" }, |info| info.state.as_str()),
        "front": item.in_front,
        "model": item.model,
        "id": of(|info| json!(info.id.0)),
        "tokens": of(|info| json!(info.tokens)),
        "tokens_per_second": item.tokens_per_second(),
        "received_bytes": of(|info| json!(info.received_bytes)),
        "age_ms": u64::try_from(item.age().as_millis()).unwrap_or(u64::MAX),
        "deadline_in_ms": item.deadline_in().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// The progress of a pull.
pub fn progress_text(progress: &Progress) -> String {
    match (progress.completed, progress.total) {
        (Some(done), Some(all)) if all > 0 => {
            format!("{} {}% of {}", progress.status, done.saturating_mul(100) / all, units::bytes(all))
        }
        (_, _) => progress.status.clone(),
    }
}

/// The foreground stream's part of the status row, and its problem.
pub fn status(item: &Item, name: &str, stalled_after: Duration) -> (String, String) {
    let Some(info) = item.info() else { return (format!("{name} queued"), String::new()) };
    let mut front = match &item.progress {
        Some(progress) => format!("{name} {}", progress_text(progress)),
        None => format!("{name} {}", info.state),
    };
    let mut trouble = String::new();
    if info.tokens > 0 {
        front.push_str(&format!(" {} tok", info.tokens));
        front.extend(item.tokens_per_second().map(|rate| format!(" {rate:.1} tok/s")));
    } else if !info.state.is_ended() {
        front.push_str(&format!(" {}", units::running(info.age)));
    }
    if let Some(since) = info.since_last_event.filter(|_| info.state == JobState::Streaming) {
        if since >= stalled_after {
            trouble = format!("stalled {} s", since.as_secs());
        } else if since >= Duration::from_secs(1) {
            front.push_str(&format!(", last {} ago", units::running(since)));
        }
    }
    if let Some(left) = info.deadline_in {
        front.push_str(&format!(", deadline {}", units::running(left)));
    }
    if item.job().is_some_and(towline::Job::is_away) {
        trouble = "the relay is out of reach".to_owned();
    } else if item.job().is_some_and(|job| job.reconnects() > 0) {
        front.push_str(", reconnected");
    }
    (front, trouble)
}

/// How much was received, in words: `kept 214 characters`.
pub fn received_text(outcome: &Outcome) -> String {
    match (outcome.reply.text.chars().count(), outcome.reply.thinking.chars().count()) {
        (0, 0) => "nothing had arrived".to_owned(),
        (0, thinking) => format!("only {thinking} characters of thinking had arrived"),
        (1, _) => "1 character is kept".to_owned(),
        (text, _) => format!("{text} characters are kept"),
    }
}
