//! A conversation as lines of JSON. The format is append-only, so a crash loses nothing that was written.
//!
//! Each line is one object with a `record`. The first is the session itself, with the format's `version`:
//!
//! | `record` | fields | means |
//! |---|---|---|
//! | `session` | `version`, `created` | the beginning |
//! | `settings` | `model`, `system`, `options`, `think`, `format` | the settings from here on, all of them |
//! | `question` | `turn`, `model`, `content`, `images` | a question to a model |
//! | `text`, `thinking` | `turn`, `variant`, `text` | a piece of an answer |
//! | `tool_call` | `turn`, `variant`, `id`, `name`, `arguments` | a function the model asks for |
//! | `image` | `turn`, `variant`, `image` | an image that the model made, in base64 |
//! | `relay` | `turn`, `variant`, `id` | a relay runs the answer, under this id, and has all text from here on |
//! | `end` | `turn`, `variant`, `ending`, `usage`, `reason` | how the answer ended: `completed`, `truncated`, `cancelled`, `timed_out`, `failed`; `reason` is `length` if a token limit ended it |
//! | `retry` | `turn`, `variant`, `model`, `content`, `beside` | another answer to the turn follows: from this model, to this wording; shown `beside` the others, or instead of them |
//! | `shown` | `turn`, `variant` | the answer that is shown; 0 means the answers of all models, side by side |
//! | `continue` | `turn`, `variant` | the rest of the answer follows |
//! | `remove` | `turn`, `variant` | removes the answer; without a `variant`, the turn |
//! | `clear` | | removes all turns |
//!
//! A turn's first answer is variant 1. A record without a `variant` belongs to the turn's last variant. A
//! reader ignores fields and records that it does not know, and keeps them when it writes the conversation
//! again. An answer without an `end` was interrupted: its text so far is kept, and if a relay runs it, the
//! relay has the rest. A last line without a newline is dropped.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{AnswerId, Answered, Conversation, Selection, Settings, Size, Turn, TurnId, Variant};
use towline::api::{Format, Options, Role, Think};
use towline::event::{Image, ToolCall};
use towline::{Event, Message};

/// The version of the format that is written. Readers refuse a higher one.
pub const VERSION: u64 = 1;

/// The reason why a session cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// The text does not begin like a session.
    NoSession,
    /// It was written by a later version of the format.
    Version(u64),
    /// A line is invalid: its number, and what is wrong.
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

/// The line of the settings.
pub fn settings(settings: &Settings) -> String {
    line(settings_value(settings))
}

/// The line of the tags.
pub fn tags(tags: &[String]) -> String {
    line(json!({ "record": "tags", "tags": tags }))
}

/// The tags that the record of [`tags`] has.
pub(crate) fn take_tags(record: &mut Map<String, Value>) -> Result<Vec<String>, serde_json::Error> {
    serde_json::from_value(take(record, "tags").unwrap_or_default())
}

/// The lines of a question, with a record for each requested answer.
pub fn question(turn: &Turn) -> String {
    let mut lines = first_question(turn);
    lines.extend(turn.variants().iter().skip(1).map(|variant| retry(turn, variant)));
    lines
}

fn first_question(turn: &Turn) -> String {
    let first = &turn.variants()[0];
    let mut record = json!({ "record": "question", "turn": turn.id.0, "model": first.model });
    if first.id.variant != 1 {
        record["variant"] = json!(first.id.variant);
    }
    record["content"] = json!(turn.question.content);
    if let Some(words) = &first.words {
        record["words"] = json!(words);
    }
    if !turn.question.images.is_empty() {
        record["images"] = json!(turn.question.images);
    }
    line(with(record, &turn.extra))
}

/// The line of a piece of an answer; `None` for other events.
pub fn piece(id: AnswerId, event: &Event) -> Option<String> {
    let (kind, fields) = match event {
        Event::Text(text) => ("text", json!({ "text": text })),
        Event::Thinking(text) => ("thinking", json!({ "text": text })),
        Event::ToolCall(call) => {
            ("tool_call", json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
        }
        Event::Image(image) => ("image", json!({ "image": image.base64 })),
        Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => return None,
    };
    Some(of_answer(kind, id, fields))
}

fn of_answer(kind: &str, id: AnswerId, fields: Value) -> String {
    let mut record = json!({ "record": kind, "turn": id.turn.0, "variant": id.variant });
    if let (Value::Object(record), Value::Object(fields)) = (&mut record, fields) {
        record.extend(fields);
    }
    line(record)
}

/// The line of an answer that a relay runs. The part that the conversation already has comes before the line.
pub fn relay(id: AnswerId, name: &str) -> String {
    of_answer("relay", id, json!({ "id": name }))
}

/// The line of an answer's end.
pub fn end(variant: &Variant) -> String {
    let mut fields = json!({ "ending": variant.answered.as_str() });
    if let Some(usage) = &variant.usage {
        fields["usage"] = json!(usage);
    }
    of_answer("end", variant.id, with(fields, &variant.extra))
}

/// The line of another answer to a turn.
pub fn retry(turn: &Turn, variant: &Variant) -> String {
    let mut fields = json!({ "model": variant.model });
    if let Some(words) = &variant.words {
        fields["content"] = json!(words);
    }
    if turn.shown == Selection::SideBySide {
        fields["beside"] = json!(true);
    }
    of_answer("retry", variant.id, fields)
}

/// The line that sets the variant that a turn shows.
pub fn shown(turn: TurnId, shown: Selection) -> String {
    let variant = match shown {
        Selection::One(number) => number,
        Selection::SideBySide => 0,
    };
    of_answer("shown", AnswerId { turn, variant }, Value::Null)
}

/// The line that continues an answer.
pub fn resume(id: AnswerId) -> String {
    of_answer("continue", id, Value::Null)
}

/// The line that removes an answer, and its turn if the turn has no other answer.
pub fn remove_answer(id: AnswerId) -> String {
    of_answer("remove", id, Value::Null)
}

/// The line that removes a turn.
pub fn remove(id: TurnId) -> String {
    line(json!({ "record": "remove", "turn": id.0 }))
}

/// The line that removes all turns.
pub fn clear() -> String {
    line(json!({ "record": "clear" }))
}

/// A whole turn.
pub fn turn(turn: &Turn) -> String {
    let mut text = first_question(turn);
    for (index, variant) in turn.variants().iter().enumerate() {
        if index > 0 {
            text.push_str(&retry(turn, variant));
        }
        let left = variant.detached_at_relay();
        match left {
            None => text.push_str(&pieces(variant, Size::default(), variant.held())),
            Some(at) => {
                text.push_str(&pieces(variant, Size::default(), at.before));
                text.push_str(&relay(variant.id, &at.id));
                text.push_str(&pieces(variant, at.before, variant.held()));
            }
        }
        if variant.answered != Answered::Pending && left.is_none() {
            text.push_str(&end(variant));
        }
    }
    let last = turn.variants().last().map(|variant| Selection::One(variant.id.variant));
    if Some(turn.shown) != last {
        text.push_str(&shown(turn.id, turn.shown));
    }
    text
}

/// The lines of a part of an answer.
fn pieces(variant: &Variant, from: Size, to: Size) -> String {
    let answer = &variant.answer;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let thinking = Event::Thinking(part(&answer.thinking, from.thinking, to.thinking));
    let content = Event::Text(part(&answer.content, from.text, to.text));
    let calls = answer.tool_calls.iter().take(to.calls).skip(from.calls);
    let calls = calls.map(|call| Event::ToolCall(Box::new(call.clone())));
    let images = answer.images.iter().take(to.images).skip(from.images);
    let images = images.map(|base64| Event::Image(Image { base64: base64.clone() }));
    let events = [thinking, content].into_iter().chain(calls).chain(images);
    events.filter(|event| !is_nothing(event)).filter_map(|event| piece(variant.id, &event)).collect()
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
    text.extend((!chat.tags.is_empty()).then(|| tags(&chat.tags)));
    text.extend(chat.unknown.iter().map(|record| line(record.clone())));
    text.extend(chat.turns.iter().map(turn));
    text
}

/// Reads a session.
///
/// # Errors
/// If the text is not a session, has a later version, or is damaged outside its last line.
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
        for variant in &mut turn.variants {
            if variant.answered == Answered::Pending {
                variant.answered = Answered::Truncated;
            }
        }
        let nothing: Vec<u32> =
            turn.variants.iter().filter(|one| one.is_nothing()).map(|one| one.id.variant).collect();
        nothing.into_iter().for_each(|number| turn.remove_variant(number));
    }
    chat.turns.retain(|turn| !turn.answer().is_nothing());
    Ok(chat)
}

fn first(mut record: Map<String, Value>) -> Result<Map<String, Value>, SessionError> {
    let kind = take(&mut record, "record");
    let version = take(&mut record, "version").and_then(|version| version.as_u64());
    match (kind.as_ref().and_then(Value::as_str), version) {
        (Some("session"), Some(version)) if version <= VERSION => {
            take(&mut record, "created");
            Ok(record)
        }
        (Some("session"), Some(version)) => Err(SessionError::Version(version)),
        (_, _) => Err(SessionError::NoSession),
    }
}

impl Conversation {
    /// Applies a record.
    fn replay(&mut self, mut record: Map<String, Value>) -> Result<(), String> {
        let kind = take(&mut record, "record");
        let kind = kind.as_ref().and_then(Value::as_str).ok_or("the key \"record\" is missing")?.to_owned();
        let number = |record: &Map<String, Value>, key| record.get(key).and_then(Value::as_u64);
        let turn =
            number(&record, "turn").map(TurnId).ok_or_else(|| "the key \"turn\" is missing".to_owned());
        let named = number(&record, "variant").map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let id = |chat: &Self| {
            let last = || chat.turn(turn.clone().ok()?)?.variants.last().map(|last| last.id.variant);
            turn.clone().map(|turn| AnswerId { turn, variant: named.or_else(last).unwrap_or(1) })
        };
        match kind.as_str() {
            "settings" => self.settings = read_settings(record)?,
            "tags" => self.tags = take_tags(&mut record).map_err(|error| error.to_string())?,
            "question" => self.replay_question(turn?, named.unwrap_or(1), record)?,
            "text" => {
                let event = Event::Text(text_of(&mut record, "text"));
                self.receive(id(self)?, &event);
            }
            "thinking" => {
                let event = Event::Thinking(text_of(&mut record, "text"));
                self.receive(id(self)?, &event);
            }
            "tool_call" => {
                let call: ToolCall =
                    serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())?;
                self.receive(id(self)?, &Event::ToolCall(Box::new(call)));
            }
            "image" => {
                let event = Event::Image(Image { base64: text_of(&mut record, "image") });
                self.receive(id(self)?, &event);
            }
            "relay" => {
                let name = text_of(&mut record, "id");
                self.relayed(id(self)?, &name);
            }
            "end" => self.replay_end(id(self)?, record)?,
            "retry" => self.replay_retry(turn?, named, record),
            "shown" => {
                let shown = match named {
                    Some(0) | None => Selection::SideBySide,
                    Some(number) => Selection::One(number),
                };
                self.show(turn?, shown);
            }
            "continue" => {
                self.resume(id(self)?);
            }
            "remove" if named.is_some() => self.remove_answer(id(self)?),
            "remove" => self.remove(turn?),
            "clear" => self.clear(),
            _ => {
                let mut whole = Map::from_iter([("record".to_owned(), Value::String(kind))]);
                whole.extend(record);
                self.unknown.push(Value::Object(whole));
            }
        }
        Ok(())
    }

    fn replay_retry(&mut self, id: TurnId, number: Option<u32>, mut record: Map<String, Value>) {
        let model = Some(text_of(&mut record, "model")).filter(|model| !model.is_empty());
        let words = take(&mut record, "content").and_then(|words| words.as_str().map(str::to_owned));
        let Some(turn) = self.turn_mut(id) else { return };
        if take(&mut record, "beside") == Some(Value::Bool(true)) {
            turn.shown = Selection::SideBySide;
        }
        let number = number.filter(|number| turn.variant(*number).is_none()).unwrap_or_else(|| turn.next());
        let model = model.unwrap_or_else(|| turn.answer().model.clone());
        turn.add_as(number, &model, words);
    }

    fn replay_question(
        &mut self,
        id: TurnId,
        number: u32,
        mut record: Map<String, Value>,
    ) -> Result<(), String> {
        if id.0 < self.next {
            return Err(format!("turn {} already exists", id.0));
        }
        take(&mut record, "turn");
        take(&mut record, "variant");
        let images = take(&mut record, "images").map_or(Ok(Vec::new()), serde_json::from_value);
        let question = Message {
            role: Role::User,
            content: text_of(&mut record, "content"),
            images: images.map_err(|error| error.to_string())?,
            ..Message::default()
        };
        let mut turn = Turn::new(id, &[text_of(&mut record, "model")], question);
        turn.variants[0].id.variant = number;
        turn.variants[0].words =
            take(&mut record, "words").and_then(|words| words.as_str().map(str::to_owned));
        turn.shown = Selection::One(number);
        turn.extra = record;
        self.next = id.0 + 1;
        self.turns.push(turn);
        Ok(())
    }

    fn replay_end(&mut self, id: AnswerId, mut record: Map<String, Value>) -> Result<(), String> {
        take(&mut record, "turn");
        take(&mut record, "variant");
        let ending = text_of(&mut record, "ending");
        let answered = Answered::parse(&ending).ok_or_else(|| format!("{ending:?} is not an ending"))?;
        let usage = take(&mut record, "usage").map(serde_json::from_value).transpose();
        let usage = usage.map_err(|error| error.to_string())?;
        if let Some(variant) = self.answer_mut(id) {
            variant.answered = answered;
            if let Some(at) = &mut variant.at_relay {
                at.is_over = true;
            }
            variant.usage = usage;
            variant.extra = record;
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
    let options = match take(&mut record, "options") {
        Some(Value::Object(options)) => Options(options),
        Some(Value::Null) | None => Options::default(),
        Some(_) => return Err("options is not an object".to_owned()),
    };
    let think = take(&mut record, "think").and_then(|think| match think {
        Value::Bool(true) => Some(Think::On),
        Value::Bool(false) => Some(Think::Off),
        Value::String(level) => Some(Think::Level(level)),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let format = take(&mut record, "format").and_then(|format| match format {
        Value::String(_) => Some(Format::Json),
        Value::Object(_) => Some(Format::Schema(format)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    let system = take(&mut record, "system").and_then(|system| system.as_str().map(str::to_owned));
    Ok(Settings { model: text_of(&mut record, "model"), system, options, think, format })
}

/// Removes a field; the others stay in order.
pub(crate) fn take(record: &mut Map<String, Value>, key: &str) -> Option<Value> {
    let value = record.get_mut(key).map(Value::take);
    record.retain(|other, _| other != key);
    value
}

fn text_of(record: &mut Map<String, Value>, key: &str) -> String {
    match take(record, key) {
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
            Event::Image(Image { base64: "cG5n".into() }),
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
    fn every_answer_of_a_turn_comes_back() {
        let mut chat = chat();
        let turn = chat.ask_all(&["a", "b"], Message::user("two"));
        let answers: Vec<AnswerId> = chat.turn(turn).unwrap().variants().iter().map(|one| one.id).collect();
        // In the order of writing: the answers arrive at the same time.
        let mut lines = write(&chat, "x");
        lines.truncate(lines.find("{\"record\":\"question\",\"turn\":1").unwrap());
        lines.push_str(&question(chat.turn(turn).unwrap()));
        for (id, text) in [(answers[0], "of a"), (answers[1], "of b"), (answers[0], ", more")] {
            let event = Event::Text(text.into());
            lines.push_str(&piece(id, &event).unwrap());
            chat.receive(id, &event);
        }
        for id in answers {
            chat.end(id, &completed());
            lines.push_str(&end(chat.answer(id).unwrap()));
        }
        assert_eq!(read(&lines).unwrap(), chat);
        let edited = chat.retry(turn, Some("b"), Some("deux".into())).unwrap();
        lines.push_str(&retry(chat.turn(turn).unwrap(), chat.answer(edited).unwrap()));
        chat.receive(edited, &Event::Text("c".into()));
        lines.push_str(&piece(edited, &Event::Text("c".into())).unwrap());
        chat.end(edited, &completed());
        lines.push_str(&end(chat.answer(edited).unwrap()));
        for what in [Selection::SideBySide, Selection::One(2)] {
            chat.show(turn, what);
            lines.push_str(&shown(turn, what));
            assert_eq!(read(&lines).unwrap(), chat);
            assert_eq!(read(&write(&chat, "x")).unwrap(), chat);
        }
        let first = AnswerId { turn, variant: 1 };
        chat.remove_answer(first);
        lines.push_str(&remove_answer(first));
        assert_eq!(read(&lines).unwrap(), chat);
        assert_eq!(read(&write(&chat, "x")).unwrap(), chat);
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
        assert_eq!(chat.ask("m", Message::user("next")).turn, TurnId(5));
    }

    #[test]
    fn an_answer_that_a_relay_runs_is_found_again() {
        let mut chat = chat();
        let mut text = write(&chat, "x");
        let two = chat.ask("m", Message::user("two"));
        text.push_str(&question(chat.turn(two.turn).unwrap()));
        text.push_str(&relay(two, "r2"));
        let none = read(&text).unwrap();
        assert_eq!(
            none.last().unwrap().answer().detached_at_relay().unwrap().id,
            "r2",
            "though nothing of it came"
        );
        text.push_str(&piece(two, &Event::Text("so f".into())).unwrap());
        text.push_str(&relay(two, "r2"));
        let mut part = read(&text).unwrap();
        let known = Size { text: 4, ..Size::default() };
        assert_eq!(read(&write(&part, "x")).unwrap(), part);
        assert_eq!(part.rejoin(two), Some(("r2".to_owned(), known)));
        part.receive(two, &Event::Text("ar".into()));
        part.end(two, &completed());
        text.push_str(&piece(two, &Event::Text("ar".into())).unwrap());
        text.push_str(&end(part.answer(two).unwrap()));
        assert_eq!(read(&text).unwrap().last().unwrap().answer().detached_at_relay(), None);
    }

    #[test]
    fn every_cut_reads_as_a_beginning() {
        let whole = write(&chat(), "2026-11-21T00:00:00Z");
        let first = whole.find('\n').unwrap_or_default() + 1;
        let ends: Vec<usize> = whole.char_indices().map(|(at, _)| at).filter(|at| *at >= first).collect();
        for at in ends {
            let chat = read(&whole[..at]).unwrap();
            let text = chat.last().map(|turn| turn.answer().answer.content.clone()).unwrap_or_default();
            assert!("1\n".starts_with(&text), "{at}: {text:?}");
            assert!(chat.answers().all(|variant| variant.answered != Answered::Pending));
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
