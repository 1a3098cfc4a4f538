//! Applies the records of a session to the tables.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::{ChatId, HistoryError, WriterId, find, keep};
use crate::chat::AnswerId;
use crate::chat::session::{SessionError, VERSION, take, take_tags};

/// The target of the records of one conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// The conversation, once it exists.
    pub(super) chat: Option<ChatId>,
    /// The name to give it, instead of one derived from its first question.
    name: Option<String>,
    /// The conversation was created here, and waits for its first question.
    is_new: bool,
    /// Maps the turn numbers in the records to those in the tables, because another program may have asked
    /// meanwhile.
    turns: HashMap<i64, i64>,
    /// The same for the answers of a turn, by turn and answer in the records.
    variants: HashMap<(i64, i64), i64>,
    /// Who writes.
    writer: WriterId,
}

type Record = Map<String, Value>;

pub(super) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Target {
    /// Records for a new conversation, which the first record creates; if `name` is `None`, its first
    /// question names it.
    pub(super) fn new(name: Option<&str>) -> Self {
        Self { name: name.map(str::to_owned), ..Self::default() }
    }

    /// Records for an existing conversation.
    pub(super) fn of(chat: ChatId) -> Self {
        Self { chat: Some(chat), ..Self::default() }
    }

    pub(super) fn by(self, writer: WriterId) -> Self {
        Self { writer, ..self }
    }

    /// Stops writing an answer that a relay runs.
    pub(super) fn detach(&self, database: &Connection, id: AnswerId) -> Result<(), HistoryError> {
        let Some(chat) = self.chat else { return Ok(()) };
        let written = (i64::try_from(id.turn.0).unwrap_or(i64::MAX), i64::from(id.variant));
        let turn = self.turns.get(&written.0).copied().unwrap_or(written.0);
        let variant = self.variants.get(&written).copied().unwrap_or(written.1);
        let sql = "UPDATE variant SET writer = 0 WHERE number = ?3 AND writer = ?4
                   AND turn = (SELECT id FROM turn WHERE chat = ?1 AND number = ?2)";
        database.execute(sql, params![chat.0, turn, variant, self.writer.0])?;
        Ok(())
    }

    /// Applies each line. The connection must have an open transaction.
    pub(super) fn lines(&mut self, database: &Connection, lines: &str) -> Result<(), HistoryError> {
        self.each(database, lines)?;
        if let Some(chat) = self.chat {
            let sql = "UPDATE chat SET updated = ?2, bytes = bytes + ?3, writer = ?4 WHERE id = ?1";
            let bytes = i64::try_from(lines.len()).unwrap_or(i64::MAX);
            database.prepare_cached(sql)?.execute(params![chat.0, now(), bytes, self.writer.0])?;
        }
        Ok(())
    }

    fn each(&mut self, database: &Connection, lines: &str) -> Result<(), HistoryError> {
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
        match kind.as_str() {
            "settings" => {
                let settings = Value::Object(record).to_string();
                database.execute("UPDATE chat SET settings = ?2 WHERE id = ?1", params![chat.0, settings])?;
            }
            "title" => {
                let title = text(&mut record, "title");
                database.execute("UPDATE chat SET title = ?2 WHERE id = ?1", params![chat.0, title])?;
            }
            "tags" => {
                let tags = take_tags(&mut record).map_err(|error| HistoryError::Record(error.to_string()))?;
                keep::set_tags(database, chat, &tags)?;
            }
            "clear" => {
                database.execute("DELETE FROM turn WHERE chat = ?1", [chat.0])?;
                database.execute("UPDATE chat SET bytes = 0 WHERE id = ?1", [chat.0])?;
            }
            "question" => self.question(database, chat, record)?,
            "text" | "thinking" | "tool_call" | "image" | "relay" | "end" | "retry" | "continue"
            | "remove" | "shown" => {
                let written = number(&mut record, "turn");
                let written =
                    written.ok_or_else(|| HistoryError::Record("the key \"turn\" is missing".into()))?;
                let actual = self.turns.get(&written).copied().unwrap_or(written);
                let mut turns =
                    database.prepare_cached("SELECT id FROM turn WHERE chat = ?1 AND number = ?2")?;
                let turn: Option<i64> = turns.query_row([chat.0, actual], |row| row.get(0)).optional()?;
                // Another program may have removed the turn meanwhile.
                if let Some(turn) = turn {
                    self.of_turn(database, (turn, written), &kind, record)?;
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

    /// The conversation; the first record creates it.
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
        match take(&mut record, "version").and_then(|version| version.as_u64()) {
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
        let written = number(&mut record, "turn");
        let written = written.ok_or_else(|| HistoryError::Record("the key \"turn\" is missing".into()))?;
        let first = number(&mut record, "variant").unwrap_or(1);
        let last: Option<i64> =
            database.query_row("SELECT max(number) FROM turn WHERE chat = ?1", [chat.0], |row| row.get(0))?;
        let actual = last.map_or(written, |last| written.max(last + 1));
        self.turns.insert(written, actual);
        self.variants.retain(|(turn, _), _| *turn != written);
        let (model, question) = (text(&mut record, "model"), text(&mut record, "content"));
        let words = take(&mut record, "words").and_then(|words| words.as_str().map(str::to_owned));
        let images = take(&mut record, "images").map(|images| images.to_string()).unwrap_or_default();
        let extra = Value::Object(record).to_string();
        database.execute(
            "INSERT INTO turn (chat, number, question, images, extra, shown) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![chat.0, actual, question, images, extra, first],
        )?;
        let turn = database.last_insert_rowid();
        add_variant(database, turn, first, &model, words.as_deref())?;
        if last.is_none() {
            let is_unnamed = std::mem::take(&mut self.is_new) && self.name.is_none();
            find::name_after(database, chat, &question, is_unnamed)?;
        }
        Ok(())
    }

    fn of_turn(
        &mut self,
        database: &Connection,
        (turn, written_turn): (i64, i64),
        kind: &str,
        mut record: Record,
    ) -> Result<(), HistoryError> {
        let written = number(&mut record, "variant");
        let actual = written.map(|number| *self.variants.get(&(written_turn, number)).unwrap_or(&number));
        match (kind, actual) {
            ("retry", _) => return self.retry(database, (turn, written_turn), written, record),
            ("shown", shown) => {
                let sql = "UPDATE turn SET shown = ?2 WHERE id = ?1
                           AND (?2 = 0 OR EXISTS (SELECT 1 FROM variant WHERE turn = ?1 AND number = ?2))";
                database.execute(sql, [turn, shown.unwrap_or(0)])?;
                return Ok(());
            }
            ("remove", None) => {
                database.execute("DELETE FROM turn WHERE id = ?1", [turn])?;
                return Ok(());
            }
            (_, _) => {}
        }
        let mut variants = database.prepare_cached(
            "SELECT id FROM variant WHERE turn = ?1 AND (?2 IS NULL OR number = ?2) ORDER BY number DESC LIMIT 1",
        )?;
        let variant: Option<i64> = variants.query_row(params![turn, actual], |row| row.get(0)).optional()?;
        match variant {
            Some(variant) if kind == "remove" => remove_variant(database, turn, variant),
            Some(variant) => of_variant(database, variant, kind, record, self.writer),
            // Another program may have removed it meanwhile.
            None => Ok(()),
        }
    }

    fn retry(
        &mut self,
        database: &Connection,
        (turn, written_turn): (i64, i64),
        written: Option<i64>,
        mut record: Record,
    ) -> Result<(), HistoryError> {
        let (last, model): (i64, String) = database.query_row(
            "SELECT number, model FROM variant WHERE turn = ?1 ORDER BY number DESC LIMIT 1",
            [turn],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let actual = written.map_or(last + 1, |written| written.max(last + 1));
        if let Some(written) = written {
            self.variants.insert((written_turn, written), actual);
        }
        let asked = text(&mut record, "model");
        let words = take(&mut record, "content").and_then(|words| words.as_str().map(str::to_owned));
        let model = if asked.is_empty() { &model } else { &asked };
        add_variant(database, turn, actual, model, words.as_deref())?;
        let is_beside = take(&mut record, "beside") == Some(Value::Bool(true));
        let sql = "UPDATE turn SET shown = CASE WHEN ?3 OR shown = 0 THEN 0 ELSE ?2 END WHERE id = ?1";
        database.execute(sql, params![turn, actual, is_beside])?;
        Ok(())
    }
}

fn add_variant(
    database: &Connection,
    turn: i64,
    number: i64,
    model: &str,
    words: Option<&str>,
) -> Result<(), HistoryError> {
    let sql = "INSERT INTO variant (turn, number, model, words, created) VALUES (?1, ?2, ?3, ?4, ?5)";
    database.execute(sql, params![turn, number, model, words, now()])?;
    Ok(())
}

/// Removes a variant, and its turn if the turn has no other.
fn remove_variant(database: &Connection, turn: i64, variant: i64) -> Result<(), HistoryError> {
    database.execute("DELETE FROM variant WHERE id = ?1", [variant])?;
    let last: Option<i64> =
        database.query_row("SELECT max(number) FROM variant WHERE turn = ?1", [turn], |row| row.get(0))?;
    let (sql, last) = match last {
        None => ("DELETE FROM turn WHERE id = ?1 AND ?2 IS NULL", None),
        Some(last) => (
            "UPDATE turn SET shown = ?2 WHERE id = ?1 AND shown != 0
             AND NOT EXISTS (SELECT 1 FROM variant WHERE turn = ?1 AND number = shown)",
            Some(last),
        ),
    };
    database.execute(sql, params![turn, last])?;
    Ok(())
}

fn of_variant(
    database: &Connection,
    variant: i64,
    kind: &str,
    mut record: Record,
    writer: WriterId,
) -> Result<(), HistoryError> {
    match kind {
        "text" | "thinking" => {
            let sql = "INSERT INTO piece (variant, thinking, text) VALUES (?1, ?2, ?3)";
            let mut piece = database.prepare_cached(sql)?;
            piece.execute(params![variant, kind == "thinking", text(&mut record, "text")])?;
        }
        "tool_call" => {
            let call = format!("{}\n", Value::Object(record));
            database
                .execute("UPDATE variant SET calls = calls || ?2 WHERE id = ?1", params![variant, call])?;
        }
        "image" => {
            let image = format!("{}\n", json!(text(&mut record, "image")));
            database
                .execute("UPDATE variant SET images = images || ?2 WHERE id = ?1", params![variant, image])?;
        }
        "relay" => {
            // Earlier text comes before it.
            join(database, variant)?;
            database.execute(
                "UPDATE variant SET relay = ?2, relay_held = json_array(length(CAST(text AS BLOB)),
                 length(CAST(thinking AS BLOB)), length(calls) - length(replace(calls, char(10), '')),
                 length(images) - length(replace(images, char(10), '')))
                 WHERE id = ?1 AND (relay IS NOT ?2 OR ending IS NOT NULL)",
                params![variant, text(&mut record, "id")],
            )?;
            let sql = "UPDATE variant SET writer = ?2 WHERE id = ?1";
            database.execute(sql, [variant, writer.0])?;
        }
        "end" => {
            join(database, variant)?;
            let ending = text(&mut record, "ending");
            let usage = take(&mut record, "usage").map(|usage| usage.to_string());
            let extra = Value::Object(record).to_string();
            database.execute(
                "UPDATE variant SET ending = ?2, usage = ?3, extra = ?4, ended = ?5 WHERE id = ?1",
                params![variant, ending, usage, extra, now()],
            )?;
        }
        // "continue"
        _ => {
            let sql = "UPDATE variant SET ending = NULL, ended = NULL, relay = NULL WHERE id = ?1";
            database.execute(sql, [variant])?;
        }
    }
    Ok(())
}

/// Appends the pieces of a variant to its text.
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

fn number(record: &mut Record, key: &str) -> Option<i64> {
    take(record, key).and_then(|number| number.as_i64())
}

fn text(record: &mut Record, key: &str) -> String {
    match take(record, key) {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    }
}
