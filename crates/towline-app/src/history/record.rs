//! A record of a session does to the tables what it says.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::{ChatId, HistoryError, find};
use crate::chat::session::{SessionError, VERSION};

/// Where records of one conversation go.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// The conversation, once there is one.
    pub(super) chat: Option<ChatId>,
    /// The name it is to have, instead of one that its first question makes.
    name: Option<String>,
    /// The conversation was made here, and waits for its first question.
    is_new: bool,
    /// Numbers of turns as they are written and as they stand in the tables: another program may have asked meanwhile.
    turns: HashMap<i64, i64>,
}

type Record = Map<String, Value>;

pub(super) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Target {
    /// Records for a conversation that is made with the first of them, named after its first question where `name` is
    /// `None`.
    pub(super) fn new(name: Option<&str>) -> Self {
        Self { name: name.map(str::to_owned), ..Self::default() }
    }

    /// Records for a conversation that is there.
    pub(super) fn of(chat: ChatId) -> Self {
        Self { chat: Some(chat), ..Self::default() }
    }

    /// Does what each line says. The connection has a transaction open.
    pub(super) fn lines(&mut self, database: &Connection, lines: &str) -> Result<(), HistoryError> {
        for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |what: String| HistoryError::Session(SessionError::Line(number + 1, what));
            let record: Record = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            match self.record(database, record) {
                Err(HistoryError::Record(what)) => return Err(wrong(what)),
                done => done?,
            }
        }
        Ok(())
    }

    fn record(&mut self, database: &Connection, mut record: Record) -> Result<(), HistoryError> {
        let kind = text(&mut record, "record");
        if kind == "session" {
            return self.session(database, record);
        }
        let chat = self.chat(database)?;
        database.execute("UPDATE chat SET updated = ?2 WHERE id = ?1", params![chat.0, now()])?;
        match kind.as_str() {
            "settings" => {
                let settings = Value::Object(record).to_string();
                database.execute("UPDATE chat SET settings = ?2 WHERE id = ?1", params![chat.0, settings])?;
            }
            "title" => {
                let title = text(&mut record, "title");
                database.execute("UPDATE chat SET title = ?2 WHERE id = ?1", params![chat.0, title])?;
            }
            "clear" => {
                database.execute("DELETE FROM turn WHERE chat = ?1", [chat.0])?;
            }
            "question" => self.question(database, chat, record)?,
            "text" | "thinking" | "tool_call" | "relay" | "end" | "retry" | "continue" | "remove"
            | "shown" => {
                let number = record.remove("turn").and_then(|turn| turn.as_i64());
                let number = number.ok_or_else(|| HistoryError::Record("there is no turn".into()))?;
                let number = self.turns.get(&number).copied().unwrap_or(number);
                let turn: Option<i64> = database
                    .query_row(
                        "SELECT id FROM turn WHERE chat = ?1 AND number = ?2",
                        [chat.0, number],
                        |row| row.get(0),
                    )
                    .optional()?;
                // Another program may have taken the turn out meanwhile.
                if let Some(turn) = turn {
                    of_turn(database, turn, &kind, record)?;
                }
            }
            _ => {
                let mut whole = json!({ "record": kind });
                for (key, value) in record {
                    whole[key] = value;
                }
                let line = format!("{whole}\n");
                database.execute(
                    "UPDATE chat SET unknown = unknown || ?2 WHERE id = ?1",
                    params![chat.0, line],
                )?;
            }
        }
        Ok(())
    }

    /// The conversation; it is made with the first record.
    fn chat(&mut self, database: &Connection) -> Result<ChatId, HistoryError> {
        if let Some(chat) = self.chat {
            return Ok(chat);
        }
        let name = find::free_name(database, self.name.as_deref().unwrap_or(find::UNNAMED))?;
        let now = now();
        database
            .execute("INSERT INTO chat (name, created, updated) VALUES (?1, ?2, ?2)", params![name, now])?;
        let chat = ChatId(database.last_insert_rowid());
        (self.chat, self.is_new) = (Some(chat), true);
        Ok(chat)
    }

    fn session(&mut self, database: &Connection, mut record: Record) -> Result<(), HistoryError> {
        match record.remove("version").and_then(|version| version.as_u64()) {
            Some(version) if version <= VERSION => {}
            Some(version) => return Err(SessionError::Version(version).into()),
            None => return Err(SessionError::NoSession.into()),
        }
        let created = text(&mut record, "created")
            .parse::<Timestamp>()
            .map_or_else(|_| now(), Timestamp::as_millisecond);
        let chat = self.chat(database)?;
        let extra = Value::Object(record).to_string();
        database.execute(
            "UPDATE chat SET created = ?2, extra = ?3 WHERE id = ?1",
            params![chat.0, created, extra],
        )?;
        Ok(())
    }

    fn question(
        &mut self,
        database: &Connection,
        chat: ChatId,
        mut record: Record,
    ) -> Result<(), HistoryError> {
        let written = record.remove("turn").and_then(|turn| turn.as_i64());
        let written = written.ok_or_else(|| HistoryError::Record("there is no turn".into()))?;
        let last: Option<i64> =
            database.query_row("SELECT max(number) FROM turn WHERE chat = ?1", [chat.0], |row| row.get(0))?;
        let number = last.map_or(written, |last| written.max(last + 1));
        self.turns.insert(written, number);
        let (model, question) = (text(&mut record, "model"), text(&mut record, "content"));
        let images = record.remove("images").map(|images| images.to_string()).unwrap_or_default();
        let extra = Value::Object(record).to_string();
        database.execute(
            "INSERT INTO turn (chat, number, question, images, extra, shown) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
            params![chat.0, number, question, images, extra],
        )?;
        let turn = database.last_insert_rowid();
        add_variant(database, turn, 1, &model)?;
        if last.is_none() {
            let is_unnamed = std::mem::take(&mut self.is_new) && self.name.is_none();
            find::name_after(database, chat, &question, is_unnamed)?;
        }
        Ok(())
    }
}

fn add_variant(database: &Connection, turn: i64, number: i64, model: &str) -> Result<(), HistoryError> {
    let sql = "INSERT INTO variant (turn, number, model, created) VALUES (?1, ?2, ?3, ?4)";
    database.execute(sql, params![turn, number, model, now()])?;
    Ok(())
}

fn of_turn(database: &Connection, turn: i64, kind: &str, mut record: Record) -> Result<(), HistoryError> {
    let (variant, number, model): (i64, i64, String) = database.query_row(
        "SELECT id, number, model FROM variant WHERE turn = ?1 ORDER BY number DESC LIMIT 1",
        [turn],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    match kind {
        "text" | "thinking" => {
            let sql = "INSERT INTO piece (variant, thinking, text) VALUES (?1, ?2, ?3)";
            database.execute(sql, params![variant, kind == "thinking", text(&mut record, "text")])?;
        }
        "tool_call" => {
            let call = format!("{}\n", Value::Object(record));
            database
                .execute("UPDATE variant SET calls = calls || ?2 WHERE id = ?1", params![variant, call])?;
        }
        "relay" => {
            // What came before stands before it.
            join(database, variant)?;
            database.execute(
                "UPDATE variant SET relay = ?2, relay_held = json_array(length(CAST(text AS BLOB)),
                 length(CAST(thinking AS BLOB)), length(calls) - length(replace(calls, char(10), '')))
                 WHERE id = ?1 AND (relay IS NOT ?2 OR ending IS NOT NULL)",
                params![variant, text(&mut record, "id")],
            )?;
        }
        "end" => {
            join(database, variant)?;
            let ending = text(&mut record, "ending");
            let usage = record.remove("usage").map(|usage| usage.to_string());
            let extra = Value::Object(record).to_string();
            database.execute(
                "UPDATE variant SET ending = ?2, usage = ?3, extra = ?4, ended = ?5 WHERE id = ?1",
                params![variant, ending, usage, extra, now()],
            )?;
        }
        "retry" => {
            join(database, variant)?;
            let asked = text(&mut record, "model");
            add_variant(database, turn, number + 1, if asked.is_empty() { &model } else { &asked })?;
            database.execute("UPDATE turn SET shown = ?2 WHERE id = ?1", [turn, number + 1])?;
        }
        "continue" => {
            let sql = "UPDATE variant SET ending = NULL, ended = NULL, relay = NULL WHERE id = ?1";
            database.execute(sql, [variant])?;
        }
        "shown" => {
            let shown = record.remove("variant").and_then(|shown| shown.as_i64()).unwrap_or(number);
            let sql = "UPDATE turn SET shown = ?2 WHERE id = ?1
                       AND EXISTS (SELECT 1 FROM variant WHERE turn = ?1 AND number = ?2)";
            database.execute(sql, [turn, shown])?;
        }
        // "remove"
        _ => {
            database.execute("DELETE FROM turn WHERE id = ?1", [turn])?;
        }
    }
    Ok(())
}

/// Puts the pieces of a variant behind what it has.
pub(super) fn join(database: &Connection, variant: i64) -> Result<(), rusqlite::Error> {
    let mut pieces =
        database.prepare_cached("SELECT thinking, text FROM piece WHERE variant = ?1 ORDER BY id")?;
    let mut texts = [String::new(), String::new()];
    let mut rows = pieces.query([variant])?;
    while let Some(row) = rows.next()? {
        texts[usize::from(row.get::<_, bool>(0)?)].push_str(row.get_ref(1)?.as_str()?);
    }
    drop(rows);
    let [text, thinking] = texts;
    if !thinking.is_empty() {
        database.execute(
            "UPDATE variant SET thinking = thinking || ?2 WHERE id = ?1",
            params![variant, thinking],
        )?;
    }
    if !text.is_empty() {
        database.execute("UPDATE variant SET text = text || ?2 WHERE id = ?1", params![variant, text])?;
    }
    database.execute("DELETE FROM piece WHERE variant = ?1", [variant])?;
    Ok(())
}

pub(super) fn text(record: &mut Record, key: &str) -> String {
    match record.remove(key) {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    }
}
