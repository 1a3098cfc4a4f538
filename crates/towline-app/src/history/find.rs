//! Lists and names.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::{ChatId, History, HistoryError, WriterId, tags_of};
use crate::chat::own_words;

/// Maximum length of a conversation's name, in characters.
pub(super) const NAME_CHARS: usize = 60;
/// Maximum length of a name that is derived from a question, in characters.
const MADE_CHARS: usize = 32;
/// Maximum length of a title that is derived from a question, in characters.
const TITLE_CHARS: usize = 80;
/// The name until the first question.
pub(super) const UNNAMED: &str = "chat";
/// Maximum number of names in the error for an ambiguous name.
const MAX_NAMED: i64 = 5;

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its number.
    pub id: ChatId,
    /// Its name.
    pub name: String,
    /// Its title, or its first question, shortened.
    pub title: String,
    /// The last model that was asked; empty before the first question.
    pub model: String,
    /// Number of its questions.
    pub turns: u64,
    /// Whether it is kept regardless of its age.
    pub is_pinned: bool,
    /// When it began, in milliseconds since 1970.
    pub created_ms: i64,
    /// Time of the last change, in milliseconds since 1970.
    pub updated_ms: i64,
    /// The last writer.
    pub writer: WriterId,
    /// The words that it is filed under, in their order.
    pub tags: Vec<String>,
}

/// A conversation that matches a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The conversation.
    pub chat: Summary,
    /// Words around the first match.
    pub around: String,
}

const SUMMARY: &str =
    "SELECT chat.id, chat.name, chat.title, chat.pinned, chat.created, chat.updated, chat.writer,
    (SELECT count(*) FROM turn WHERE turn.chat = chat.id),
    chat.tags, coalesce((SELECT variant.model FROM turn JOIN variant ON variant.turn = turn.id WHERE turn.chat = chat.id
              ORDER BY turn.number DESC, variant.number DESC LIMIT 1), '')
    FROM chat";
/// The conversation has a question. A conversation whose only answer failed without any text has none, and
/// lists omit it.
pub(super) const ASKS: &str = "EXISTS (SELECT 1 FROM turn WHERE turn.chat = chat.id)";

fn summary(row: &Row<'_>) -> Result<Summary, rusqlite::Error> {
    Ok(Summary {
        id: ChatId(row.get(0)?),
        name: row.get(1)?,
        title: row.get(2)?,
        is_pinned: row.get(3)?,
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        writer: WriterId(row.get(6)?),
        turns: row.get::<_, i64>(7)?.unsigned_abs(),
        tags: tags_of(row.get_ref(8)?.as_str()?),
        model: row.get(9)?,
    })
}

impl History {
    /// The conversations that have a question, pinned ones first, then by the last change, newest first; at
    /// most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn list(&self, limit: usize) -> Result<Vec<Summary>, HistoryError> {
        self.tagged(&[], limit)
    }

    /// The same of those that have all of these tags.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tagged(&self, tags: &[String], limit: usize) -> Result<Vec<Summary>, HistoryError> {
        let sql = format!(
            "{SUMMARY} WHERE {ASKS}{} ORDER BY chat.pinned DESC, chat.updated DESC, chat.id DESC LIMIT ?1",
            has_tags(tags)
        );
        let mut chats = self.database.prepare_cached(&sql)?;
        let limit = Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = chats.query_map(params_from_iter([limit].into_iter().chain(values(tags))), summary)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn summary(&self, id: ChatId) -> Result<Summary, HistoryError> {
        let found = self.database.query_row(&format!("{SUMMARY} WHERE chat.id = ?1"), [id.0], summary);
        found.optional()?.ok_or_else(|| HistoryError::Missing(id.0.to_string()))
    }

    /// The most recently changed conversation that has a question.
    ///
    /// # Errors
    /// Those of the database.
    pub fn last(&self) -> Result<Option<ChatId>, HistoryError> {
        let sql = format!("SELECT id FROM chat WHERE {ASKS} ORDER BY updated DESC, id DESC LIMIT 1");
        Ok(self.database.query_row(&sql, [], |row| row.get(0).map(ChatId)).optional()?)
    }

    /// The answers whose end is not known and that a relay runs: their conversations, and the relay's ids.
    ///
    /// # Errors
    /// Those of the database.
    pub fn detached_at_relay(&self) -> Result<Vec<(ChatId, String)>, HistoryError> {
        let sql = "SELECT turn.chat, variant.relay FROM variant JOIN turn ON turn.id = variant.turn
                   WHERE variant.ending IS NULL AND variant.relay IS NOT NULL";
        let mut left = self.database.prepare_cached(sql)?;
        let left = left.query_map([], |row| Ok((ChatId(row.get(0)?), row.get(1)?)))?;
        Ok(left.collect::<Result<_, _>>()?)
    }

    /// The conversation of the answer that a relay ran under this id, also if it has ended.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of_relay(&self, relay: &str) -> Result<Option<ChatId>, HistoryError> {
        let sql = "SELECT turn.chat FROM variant JOIN turn ON turn.id = variant.turn WHERE variant.relay = ?1 LIMIT 1";
        Ok(self.database.query_row(sql, [relay], |row| row.get(0).map(ChatId)).optional()?)
    }

    /// The conversation with this name, this prefix of a name, or this number.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], [`HistoryError::Ambiguous`], and those of the database.
    pub fn find(&self, name: &str) -> Result<ChatId, HistoryError> {
        let exact = "SELECT id FROM chat WHERE name = ?1 OR id = CAST(?1 AS INTEGER) AND ?1 NOT GLOB '*[^0-9]*' AND ?1 != ''";
        let found = self.database.query_row(exact, [name], |row| row.get(0).map(ChatId)).optional()?;
        if let Some(found) = found {
            return Ok(found);
        }
        let begins = "SELECT id, name FROM chat WHERE substr(name, 1, length(?1)) = ?1 AND ?1 != ''
                      ORDER BY updated DESC LIMIT ?2";
        let mut named = self.database.prepare(begins)?;
        let named =
            named.query_map(params![name, MAX_NAMED], |row| Ok((ChatId(row.get(0)?), row.get(1)?)))?;
        let mut named = named.collect::<Result<Vec<(ChatId, String)>, _>>()?;
        match (named.pop(), named.is_empty()) {
            (Some((id, _)), true) => Ok(id),
            (None, _) => Err(HistoryError::Missing(name.to_owned())),
            (Some(last), false) => {
                named.push(last);
                Err(HistoryError::Ambiguous(
                    name.to_owned(),
                    named.into_iter().map(|(_, name)| name).collect(),
                ))
            }
        }
    }
}

/// That a conversation has these tags, the values of the parameters from the second one on.
pub(super) fn has_tags(tags: &[String]) -> String {
    (2..tags.len() + 2).map(|number| format!(" AND instr(chat.tags, ?{number})")).collect()
}

pub(super) fn values(tags: &[String]) -> impl Iterator<Item = Value> + use<'_> {
    tags.iter().map(|tag| Value::Text(format!(" {tag} ")))
}

/// A free name: this one, or this one with a number.
pub(super) fn free_name(database: &Connection, name: &str) -> Result<String, rusqlite::Error> {
    let mut taken = database.prepare_cached("SELECT EXISTS (SELECT 1 FROM chat WHERE name = ?1)")?;
    let mut candidate = name.to_owned();
    let mut number = 1;
    while taken.query_row([&candidate], |row| row.get(0))? {
        number += 1;
        candidate = format!("{name}-{number}");
    }
    Ok(candidate)
}

/// Gives a conversation a title from its first question, and a name if it has none.
pub(super) fn name_after(
    database: &Connection,
    chat: ChatId,
    question: &str,
    is_unnamed: bool,
) -> Result<(), rusqlite::Error> {
    let question = own_words(question);
    let title = "UPDATE chat SET title = ?2 WHERE id = ?1 AND title = ''";
    database.execute(title, params![chat.0, shortened(question)])?;
    if is_unnamed {
        let name = free_name(database, &handle(question))?;
        database.execute("UPDATE chat SET name = ?2 WHERE id = ?1", params![chat.0, name])?;
    }
    Ok(())
}

/// The first words of a question, on one line.
fn shortened(question: &str) -> String {
    let words = question.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(TITLE_CHARS) {
        Some((cut, _)) => format!("{}…", words[..cut].trim_end()),
        None => words,
    }
}

/// A name from a question's first words: `tell-a-long-story`.
fn handle(question: &str) -> String {
    let mut handle = String::new();
    let mut chars = 0;
    let words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let length = word.chars().count();
        if chars > 0 && chars + 1 + length > MADE_CHARS {
            break;
        }
        if chars > 0 {
            handle.push('-');
        }
        handle.extend(word.chars().take(MADE_CHARS).flat_map(char::to_lowercase));
        chars += 1 + length;
    }
    let is_number = handle.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("{UNNAMED}-{handle}").trim_end_matches('-').to_owned() } else { handle }
}

/// Whether this is a valid name for a conversation.
pub fn is_name(name: &str) -> bool {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = !name.contains(|c: char| c.is_whitespace() || c.is_control());
    !is_number && is_plain && name.chars().count() <= NAME_CHARS && !name.starts_with('-')
}
