//! Turns the tables back into records, and into a conversation.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use serde_json::{Map, Value, json};

use super::record::Target;
use super::{ChatId, History, HistoryError, tags_of};
use crate::chat::{Conversation, session};

/// A variant, as stored in the tables.
struct Variant {
    id: i64,
    number: i64,
    words: Option<String>,
    model: String,
    text: String,
    thinking: String,
    calls: String,
    images: String,
    relay: Option<String>,
    held: Option<String>,
    ending: Option<String>,
    usage: Option<String>,
    extra: String,
}

impl History {
    /// Imports a whole session, in the form of [`History::export`]. The conversation gets `name`, if that is
    /// free.
    ///
    /// # Errors
    /// [`HistoryError::Session`] for an invalid session, and those of the database. On an error nothing is
    /// imported.
    pub fn import(&mut self, text: &str, name: Option<&str>) -> Result<ChatId, HistoryError> {
        let change = self.database.transaction()?;
        let chat = import_lines(&change, text, Target::new(name))?;
        change.commit()?;
        Ok(chat)
    }

    /// A conversation as the lines of a session.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn export(&mut self, chat: ChatId) -> Result<String, HistoryError> {
        self.lines(chat, true)
    }

    /// A conversation.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn load(&mut self, chat: ChatId) -> Result<Conversation, HistoryError> {
        Ok(session::read(&self.lines(chat, false)?)?)
    }

    fn lines(&mut self, chat: ChatId, is_export: bool) -> Result<String, HistoryError> {
        let view = self.database.transaction()?;
        lines(&view, chat, is_export)
    }
}

/// With or without the fields that only an export has. The connection must have an open transaction.
pub(super) fn lines(view: &Connection, chat: ChatId, is_export: bool) -> Result<String, HistoryError> {
    let found = view
        .query_row(
            "SELECT created, settings, extra, unknown, title, tags FROM chat WHERE id = ?1",
            [chat.0],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )
        .optional()?;
    let missing = || HistoryError::Missing(chat.0.to_string());
    let (created, settings, extra, unknown, title, tags): (i64, String, String, String, String, String) =
        found.ok_or_else(missing)?;
    let created = jiff::Timestamp::from_millisecond(created).unwrap_or_default().to_string();
    let mut lines = String::new();
    let first = json!({ "record": "session", "version": session::VERSION, "created": created });
    push(&mut lines, with(first, &extra));
    push(&mut lines, with(json!({ "record": "settings" }), &settings));
    if is_export && !title.is_empty() {
        push(&mut lines, json!({ "record": "title", "title": title }));
    }
    let tags = tags_of(&tags);
    if !tags.is_empty() {
        lines.push_str(&session::tags(&tags));
    }
    lines.push_str(&unknown);
    let mut turns = view.prepare(
        "SELECT id, number, question, images, extra, shown FROM turn WHERE chat = ?1 ORDER BY number",
    )?;
    let mut rows = turns.query([chat.0])?;
    while let Some(row) = rows.next()? {
        let (turn, number, shown): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(5)?);
        let mut variants = view.prepare_cached(
            "SELECT id, model, text, thinking, calls, relay, relay_held, ending, usage, extra, number, words,
                 images FROM variant WHERE turn = ?1 ORDER BY number",
        )?;
        let variants = variants.query_map([turn], variant)?.collect::<Result<Vec<_>, _>>()?;
        let first = variants.first();
        let model = first.map(|variant| variant.model.clone()).unwrap_or_default();
        let mut question = json!({ "record": "question", "turn": number, "model": model });
        question["content"] = json!(row.get::<_, String>(2)?);
        let images: String = row.get(3)?;
        if let Ok(images) = serde_json::from_str::<Value>(&images) {
            question["images"] = images;
        }
        if let Some(words) = first.and_then(|first| first.words.as_ref()) {
            question["words"] = json!(words);
        }
        let mut expected = 1;
        let mut numbered = |mut record: Value, variant: &Variant| {
            if variant.number != expected {
                record["variant"] = json!(variant.number);
            }
            expected = variant.number + 1;
            record
        };
        if let Some(first) = first {
            question = numbered(question, first);
        }
        push(&mut lines, with(question, &row.get::<_, String>(4)?));
        let last = variants.last().map(|last| last.number);
        let is_beside = shown == 0 && variants.len() > 1;
        for (index, mut variant) in variants.into_iter().enumerate() {
            if index > 0 {
                let mut retry = json!({ "record": "retry", "turn": number, "model": variant.model });
                if let Some(words) = &variant.words {
                    retry["content"] = json!(words);
                }
                if is_beside {
                    retry["beside"] = json!(true);
                }
                push(&mut lines, numbered(retry, &variant));
            }
            add_pieces(view, &mut variant)?;
            variant_lines(&mut lines, number, &variant);
        }
        if Some(shown) != last && !is_beside {
            push(&mut lines, json!({ "record": "shown", "turn": number, "variant": shown }));
        }
    }
    Ok(lines)
}

/// Imports a whole session. A last line that a crash has cut is dropped, and an answer without an end counts
/// as truncated.
pub(super) fn import_lines(
    change: &Transaction<'_>,
    text: &str,
    mut target: Target,
) -> Result<ChatId, HistoryError> {
    // An invalid session is refused before anything is written.
    session::read(text)?;
    target.lines(change, text.rfind('\n').map_or("", |end| &text[..=end]))?;
    target.chat.ok_or_else(|| session::SessionError::NoSession.into())
}

fn variant(row: &Row<'_>) -> Result<Variant, rusqlite::Error> {
    Ok(Variant {
        id: row.get(0)?,
        model: row.get(1)?,
        text: row.get(2)?,
        thinking: row.get(3)?,
        calls: row.get(4)?,
        relay: row.get(5)?,
        held: row.get(6)?,
        ending: row.get(7)?,
        usage: row.get(8)?,
        extra: row.get(9)?,
        number: row.get(10)?,
        words: row.get(11)?,
        images: row.get(12)?,
    })
}

fn add_pieces(view: &Connection, variant: &mut Variant) -> Result<(), rusqlite::Error> {
    let mut pieces =
        view.prepare_cached("SELECT thinking, text FROM piece WHERE variant = ?1 ORDER BY id")?;
    let mut rows = pieces.query([variant.id])?;
    while let Some(row) = rows.next()? {
        let text = if row.get(0)? { &mut variant.thinking } else { &mut variant.text };
        text.push_str(row.get_ref(1)?.as_str()?);
    }
    Ok(())
}

fn variant_lines(lines: &mut String, turn: i64, variant: &Variant) {
    let held: Option<Vec<usize>> = variant.held.as_deref().and_then(|held| serde_json::from_str(held).ok());
    let held = held.filter(|_| variant.relay.is_some()).unwrap_or_default();
    // Earlier versions did not store images.
    let [text, thinking, calls, images] = std::array::from_fn(|at| held.get(at).copied().unwrap_or_default());
    let parts = |from: usize, to: usize, whole: &str| {
        whole.get(from..to.min(whole.len())).unwrap_or_default().to_owned()
    };
    let part = |lines: &mut String, (text, thinking): (&str, &str), calls: &[&str], images: &[&str]| {
        if !thinking.is_empty() {
            push(lines, json!({ "record": "thinking", "turn": turn, "text": thinking }));
        }
        if !text.is_empty() {
            push(lines, json!({ "record": "text", "turn": turn, "text": text }));
        }
        for call in calls {
            push(lines, with(json!({ "record": "tool_call", "turn": turn }), call));
        }
        let images = images.iter().filter_map(|image| serde_json::from_str::<Value>(image).ok());
        images.for_each(|image| push(lines, json!({ "record": "image", "turn": turn, "image": image })));
    };
    let all: Vec<&str> = variant.calls.lines().collect();
    let (calls_before, calls) = all.split_at(calls.min(all.len()));
    let all: Vec<&str> = variant.images.lines().collect();
    let (images_before, images) = all.split_at(images.min(all.len()));
    if let Some(relay) = &variant.relay {
        let (first, second) = (parts(0, text, &variant.text), parts(0, thinking, &variant.thinking));
        part(lines, (&first, &second), calls_before, images_before);
        push(lines, json!({ "record": "relay", "turn": turn, "id": relay }));
    }
    let rest = parts(text, variant.text.len(), &variant.text);
    part(lines, (&rest, &parts(thinking, variant.thinking.len(), &variant.thinking)), calls, images);
    if let Some(ending) = &variant.ending {
        let mut end = json!({ "record": "end", "turn": turn, "ending": ending });
        if let Some(usage) = variant.usage.as_deref().and_then(|usage| serde_json::from_str(usage).ok()) {
            end["usage"] = usage;
        }
        push(lines, with(end, &variant.extra));
    }
}

fn push(lines: &mut String, record: Value) {
    lines.push_str(&record.to_string());
    lines.push('\n');
}

/// A record with the fields of an object.
fn with(mut record: Value, fields: &str) -> Value {
    if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(fields) {
        for (key, value) in fields {
            record[key] = value;
        }
    }
    record
}
