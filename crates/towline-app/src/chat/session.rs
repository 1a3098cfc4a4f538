//! A conversation as lines of JSON: append-only, so that a crash loses nothing that was written.
//!
//! Each line is one object with a `record`. The first is the session itself, with the format's `version`:
//!
//! | `record` | fields | means |
//! |---|---|---|
//! | `session` | `version`, `created` | the beginning |
//! | `settings` | `model`, `system`, `options`, `think`, `format` | the settings from here on, all of them |
//! | `question` | `turn`, `model`, `content`, `images` | a question to a model |
//! | `text`, `thinking` | `turn`, `text` | a piece of its answer |
//! | `tool_call` | `turn`, `id`, `name`, `arguments` | a function the model asks for |
//! | `relay` | `turn`, `id` | a relay runs the answer, under this id; what comes from here on is also there |
//! | `end` | `turn`, `ending`, `usage` | how the answer ended: `completed`, `truncated`, `cancelled`, `timed_out`, `failed` |
//! | `retry` | `turn` | the answer is dropped, another follows |
//! | `continue` | `turn` | the rest of the answer follows |
//! | `remove` | `turn` | the turn is taken out |
//! | `clear` | | all turns are taken out |
//!
//! A reader ignores fields and records it does not know, and keeps them when it writes the conversation anew. A turn
//! without an `end` was interrupted: what came of it is kept, and a relay that runs it has the rest. A last line without its end is dropped.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{Answered, Conversation, Held, Settings, Turn, TurnId};
use towline::{Event, Format, Message, Options, Role, Think, ToolCall};

/// The version of the format that is written. Readers refuse a higher one.
pub const VERSION: u64 = 1;

/// Why a session cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// The text does not begin as a session does.
    NoSession,
    /// It was written by a later version of the format.
    Version(u64),
    /// A line is not what it should be: its number, and what is wrong.
    Line(usize, String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession => f.write_str("this is not a session"),
            Self::Version(version) => {
                write!(f, "this session has version {version}; this program reads up to {VERSION}")
            }
            Self::Line(number, what) => write!(f, "line {number}: {what}"),
        }
    }
}

impl std::error::Error for SessionError {}

/// The first line. `created` is a time in RFC 3339.
pub fn header(created: &str) -> String {
    line(json!({ "record": "session", "version": VERSION, "created": created }))
}

/// The settings' line.
pub fn settings(settings: &Settings) -> String {
    line(settings_value(settings))
}

/// The line of a question.
pub fn question(turn: &Turn) -> String {
    let mut record = json!({ "record": "question", "turn": turn.id.0, "model": turn.model });
    record["content"] = json!(turn.question.content);
    if !turn.question.images.is_empty() {
        record["images"] = json!(turn.question.images);
    }
    line(with(record, &turn.extra[0]))
}

/// The line of a piece of an answer; `None` for what is not part of one.
pub fn piece(id: TurnId, event: &Event) -> Option<String> {
    let record = match event {
        Event::Text(text) => json!({ "record": "text", "turn": id.0, "text": text }),
        Event::Thinking(text) => json!({ "record": "thinking", "turn": id.0, "text": text }),
        Event::ToolCall(call) => json!({
            "record": "tool_call", "turn": id.0, "id": call.id, "name": call.name, "arguments": call.arguments,
        }),
        Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => return None,
    };
    Some(line(record))
}

/// The line of an answer that a relay runs. What the turn has of it already stands before the line.
pub fn relay(id: TurnId, name: &str) -> String {
    line(json!({ "record": "relay", "turn": id.0, "id": name }))
}

/// The line of an answer's end.
pub fn end(turn: &Turn) -> String {
    let mut record = json!({ "record": "end", "turn": turn.id.0, "ending": turn.answered.as_str() });
    if let Some(usage) = &turn.usage {
        record["usage"] = json!(usage);
    }
    line(with(record, &turn.extra[1]))
}

/// The line that drops an answer.
pub fn retry(id: TurnId) -> String {
    line(json!({ "record": "retry", "turn": id.0 }))
}

/// The line that goes on with an answer.
pub fn resume(id: TurnId) -> String {
    line(json!({ "record": "continue", "turn": id.0 }))
}

/// The line that takes a turn out.
pub fn remove(id: TurnId) -> String {
    line(json!({ "record": "remove", "turn": id.0 }))
}

/// The line that takes all turns out.
pub fn clear() -> String {
    line(json!({ "record": "clear" }))
}

/// A whole turn.
pub fn turn(turn: &Turn) -> String {
    let mut text = question(turn);
    let left = turn.left_at_relay();
    match left {
        None => text.push_str(&pieces(turn, Held::default(), turn.held())),
        Some(at) => {
            text.push_str(&pieces(turn, Held::default(), at.before));
            text.push_str(&relay(turn.id, &at.id));
            text.push_str(&pieces(turn, at.before, turn.held()));
        }
    }
    if turn.answered != Answered::Pending && left.is_none() {
        text.push_str(&end(turn));
    }
    text
}

/// The lines of a part of an answer.
fn pieces(turn: &Turn, from: Held, to: Held) -> String {
    let answer = &turn.answer;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let thinking = Event::Thinking(part(&answer.thinking, from.thinking, to.thinking));
    let content = Event::Text(part(&answer.content, from.text, to.text));
    let calls = answer.tool_calls.iter().take(to.calls).skip(from.calls);
    let calls = calls.map(|call| Event::ToolCall(Box::new(call.clone())));
    let events = [thinking, content].into_iter().chain(calls);
    events.filter(|event| !is_nothing(event)).filter_map(|event| piece(turn.id, &event)).collect()
}

fn is_nothing(event: &Event) -> bool {
    match event {
        Event::Text(text) | Event::Thinking(text) => text.is_empty(),
        Event::ToolCall(_) | Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => {
            false
        }
    }
}

/// A whole conversation, for a new file.
pub fn write(chat: &Conversation, created: &str) -> String {
    let first = json!({ "record": "session", "version": VERSION, "created": created });
    let mut text = line(with(first, &chat.extra));
    text.push_str(&settings(&chat.settings));
    text.extend(chat.unknown.iter().map(|record| line(record.clone())));
    text.extend(chat.turns.iter().map(turn));
    text
}

/// Reads a session.
///
/// # Errors
/// When the text is no session, of a later version, or damaged elsewhere than in its last line.
pub fn read(text: &str) -> Result<Conversation, SessionError> {
    let mut chat = Conversation::default();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let Some(whole) = line.strip_suffix('\n') else { break };
        if whole.trim().is_empty() {
            continue;
        }
        let record: Map<String, Value> = match serde_json::from_str(whole) {
            Ok(record) => record,
            Err(_) if index == 0 => return Err(SessionError::NoSession),
            Err(error) => return Err(SessionError::Line(number, error.to_string())),
        };
        if index == 0 {
            chat.extra = first(record)?;
        } else {
            chat.replay(record).map_err(|what| SessionError::Line(number, what))?;
        }
    }
    if text.is_empty() {
        return Err(SessionError::NoSession);
    }
    for turn in &mut chat.turns {
        if turn.answered == Answered::Pending {
            turn.answered = Answered::Truncated;
        }
    }
    chat.turns.retain(|turn| {
        !turn.is_empty() || turn.answered == Answered::Whole || turn.left_at_relay().is_some()
    });
    Ok(chat)
}

fn first(mut record: Map<String, Value>) -> Result<Map<String, Value>, SessionError> {
    let kind = record.remove("record");
    let version = record.remove("version").and_then(|version| version.as_u64());
    match (kind.as_ref().and_then(Value::as_str), version) {
        (Some("session"), Some(version)) if version <= VERSION => {
            record.remove("created");
            Ok(record)
        }
        (Some("session"), Some(version)) => Err(SessionError::Version(version)),
        (_, _) => Err(SessionError::NoSession),
    }
}

impl Conversation {
    /// Does what a record says.
    fn replay(&mut self, mut record: Map<String, Value>) -> Result<(), String> {
        let kind = record.remove("record");
        let kind = kind.as_ref().and_then(Value::as_str).ok_or("there is no record")?.to_owned();
        let id = |record: &Map<String, Value>| {
            record
                .get("turn")
                .and_then(Value::as_u64)
                .map(TurnId)
                .ok_or_else(|| "there is no turn".to_owned())
        };
        match kind.as_str() {
            "settings" => self.settings = read_settings(record)?,
            "question" => self.replay_question(id(&record)?, record)?,
            "text" => {
                let event = Event::Text(text_of(&mut record, "text"));
                self.receive(id(&record)?, &event);
            }
            "thinking" => {
                let event = Event::Thinking(text_of(&mut record, "text"));
                self.receive(id(&record)?, &event);
            }
            "tool_call" => {
                let turn = id(&record)?;
                let call: ToolCall =
                    serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())?;
                self.receive(turn, &Event::ToolCall(Box::new(call)));
            }
            "relay" => {
                let name = text_of(&mut record, "id");
                self.relayed(id(&record)?, &name);
            }
            "end" => self.replay_end(id(&record)?, record)?,
            "retry" => self.retry(id(&record)?),
            "continue" => {
                self.resume(id(&record)?);
            }
            "remove" => self.remove(id(&record)?),
            "clear" => self.clear(),
            _ => {
                let mut whole = Map::from_iter([("record".to_owned(), Value::String(kind))]);
                whole.extend(record);
                self.unknown.push(Value::Object(whole));
            }
        }
        Ok(())
    }

    fn replay_question(&mut self, id: TurnId, mut record: Map<String, Value>) -> Result<(), String> {
        if id.0 < self.next {
            return Err(format!("turn {} was there before", id.0));
        }
        record.remove("turn");
        let images = record.remove("images").map_or(Ok(Vec::new()), serde_json::from_value);
        let question = Message {
            role: Role::User,
            content: text_of(&mut record, "content"),
            images: images.map_err(|error| error.to_string())?,
            ..Message::default()
        };
        let mut turn = Turn::new(id, &text_of(&mut record, "model"), question);
        turn.extra[0] = record;
        self.next = id.0 + 1;
        self.turns.push(turn);
        Ok(())
    }

    fn replay_end(&mut self, id: TurnId, mut record: Map<String, Value>) -> Result<(), String> {
        record.remove("turn");
        let ending = text_of(&mut record, "ending");
        let answered = Answered::parse(&ending).ok_or_else(|| format!("there is no ending {ending:?}"))?;
        let usage = record.remove("usage").map(serde_json::from_value).transpose();
        let usage = usage.map_err(|error| error.to_string())?;
        if let Some(turn) = self.turn_mut(id) {
            turn.answered = answered;
            if let Some(at) = &mut turn.at_relay {
                at.is_over = true;
            }
            turn.usage = usage;
            turn.extra[1] = record;
        }
        Ok(())
    }
}

fn settings_value(settings: &Settings) -> Value {
    let mut record = json!({ "record": "settings", "model": settings.model });
    if let Some(system) = &settings.system {
        record["system"] = json!(system);
    }
    if !settings.options.is_empty() {
        record["options"] = json!(settings.options);
    }
    if let Some(think) = &settings.think {
        record["think"] = json!(think);
    }
    if let Some(format) = &settings.format {
        record["format"] = json!(format);
    }
    record
}

fn read_settings(mut record: Map<String, Value>) -> Result<Settings, String> {
    let options = match record.remove("options") {
        Some(Value::Object(options)) => Options(options),
        Some(Value::Null) | None => Options::default(),
        Some(_) => return Err("options are no object".to_owned()),
    };
    let think = record.remove("think").and_then(|think| match think {
        Value::Bool(true) => Some(Think::On),
        Value::Bool(false) => Some(Think::Off),
        Value::String(level) => Some(Think::Level(level)),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let format = record.remove("format").and_then(|format| match format {
        Value::String(_) => Some(Format::Json),
        Value::Object(_) => Some(Format::Schema(format)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    let system = record.remove("system").and_then(|system| system.as_str().map(str::to_owned));
    Ok(Settings { model: text_of(&mut record, "model"), system, options, think, format })
}

fn text_of(record: &mut Map<String, Value>, key: &str) -> String {
    match record.remove(key) {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    }
}

fn with(mut record: Value, extra: &Map<String, Value>) -> Value {
    if let Value::Object(record) = &mut record {
        for (key, value) in extra {
            record.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    record
}

fn line(record: Value) -> String {
    format!("{record}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline::{Ending, Outcome};

    fn completed() -> Outcome {
        let ending = Ending::Completed(None);
        Outcome::new(ending)
    }

    fn chat() -> Conversation {
        let mut settings =
            Settings { model: "m".into(), system: Some("s\n\"q\"".into()), ..Settings::default() };
        settings.options = Options::default().with("temperature", 0.5);
        settings.think = Some(Think::Level("high".into()));
        settings.format = Some(Format::Schema(json!({ "type": "object" })));
        let mut chat = Conversation::new(settings);
        let one = chat.ask("m", Message::user("one").with_image(b"png"));
        for event in [
            Event::Thinking("hm".into()),
            Event::Text("1\n".into()),
            Event::ToolCall(Box::new(ToolCall {
                id: None,
                name: "f".into(),
                arguments: json!({"b": 1, "a": 2}),
            })),
        ] {
            chat.receive(one, &event);
        }
        chat.end(one, &completed());
        chat
    }

    #[test]
    fn a_conversation_comes_back_as_it_was() {
        let chat = chat();
        assert_eq!(read(&write(&chat, "2026-11-21T00:00:00Z")).unwrap(), chat);
    }

    #[test]
    fn what_a_later_version_wrote_is_kept() {
        let text = concat!(
            r#"{"record":"session","version":1,"created":"x","colour":"blue"}"#,
            "\n",
            r#"{"record":"mood","good":true}"#,
            "\n",
            r#"{"record":"question","turn":4,"model":"m","content":"q","stars":5}"#,
            "\n",
            r#"{"record":"text","turn":4,"text":"a"}"#,
            "\n",
            r#"{"record":"end","turn":4,"ending":"completed","cost":1.5}"#,
            "\n",
        );
        let mut chat = read(text).unwrap();
        let again = write(&chat, "x");
        for kept in [r#""colour":"blue""#, r#""good":true"#, r#""stars":5"#, r#""cost":1.5"#] {
            assert!(again.contains(kept), "{kept} in {again}");
        }
        assert_eq!(chat.ask("m", Message::user("next")), TurnId(5));
    }

    #[test]
    fn an_answer_that_a_relay_runs_is_found_again() {
        let mut chat = chat();
        let mut text = write(&chat, "x");
        let two = chat.ask("m", Message::user("two"));
        text.push_str(&question(chat.turn(two).unwrap()));
        text.push_str(&relay(two, "r2"));
        let none = read(&text).unwrap();
        assert_eq!(none.last().unwrap().left_at_relay().unwrap().id, "r2", "though nothing of it came");
        text.push_str(&piece(two, &Event::Text("so f".into())).unwrap());
        text.push_str(&relay(two, "r2"));
        let mut part = read(&text).unwrap();
        let known = Held { text: 4, ..Held::default() };
        assert_eq!(read(&write(&part, "x")).unwrap(), part);
        assert_eq!(part.rejoin(two), Some(("r2".to_owned(), known)));
        part.receive(two, &Event::Text("ar".into()));
        part.end(two, &completed());
        text.push_str(&piece(two, &Event::Text("ar".into())).unwrap());
        text.push_str(&end(part.turn(two).unwrap()));
        assert_eq!(read(&text).unwrap().last().unwrap().left_at_relay(), None);
    }

    #[test]
    fn every_cut_reads_as_a_beginning() {
        let whole = write(&chat(), "2026-11-21T00:00:00Z");
        let first = whole.find('\n').unwrap_or_default() + 1;
        let ends: Vec<usize> = whole.char_indices().map(|(at, _)| at).filter(|at| *at >= first).collect();
        for at in ends {
            let chat = read(&whole[..at]).unwrap();
            let text = chat.last().map(|turn| turn.answer.content.clone()).unwrap_or_default();
            assert!("1\n".starts_with(&text), "{at}: {text:?}");
            assert!(chat.turns().iter().all(|turn| turn.answered != Answered::Pending));
        }
    }

    #[test]
    fn what_is_no_session_is_refused() {
        for text in ["", "hello\n", "[]\n", "{}\n", "{\"record\":\"session\"}\n"] {
            assert_eq!(read(text), Err(SessionError::NoSession), "{text:?}");
        }
        let later = "{\"record\":\"session\",\"version\":2}\n";
        assert_eq!(read(later), Err(SessionError::Version(2)));
        let damaged = format!("{}not json\n", header("x"));
        assert!(matches!(read(&damaged), Err(SessionError::Line(2, _))));
    }
}
