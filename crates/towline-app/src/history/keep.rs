//! Names, titles, tags and pins; deletion by the user, and automatic deletion.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::record::now;
use super::{ChatId, History, HistoryError, find};

/// The limits of the history. Pinned conversations are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum age since the last change of a conversation. Default: none.
    pub age: Option<Duration>,
    /// The maximum size of all conversations on disk, in bytes. Default: 1 GiB.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { age: None, bytes: 1 << 30 }
    }
}

impl History {
    /// Renames a conversation.
    ///
    /// # Errors
    /// [`HistoryError::BadName`], [`HistoryError::Taken`], [`HistoryError::Missing`], and those of the database.
    pub fn rename(&mut self, chat: ChatId, name: &str) -> Result<(), HistoryError> {
        if !find::is_name(name) {
            return Err(HistoryError::BadName(name.to_owned()));
        }
        let change = self.database.transaction()?;
        let holder: Option<i64> =
            change.query_row("SELECT id FROM chat WHERE name = ?1", [name], |row| row.get(0)).optional()?;
        if holder.is_some_and(|holder| holder != chat.0) {
            return Err(HistoryError::Taken(name.to_owned()));
        }
        let changed = change.execute("UPDATE chat SET name = ?2 WHERE id = ?1", params![chat.0, name])?;
        change.commit()?;
        found(changed, chat)
    }

    /// Gives a conversation a title.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn set_title(&mut self, chat: ChatId, title: &str) -> Result<(), HistoryError> {
        let sql = "UPDATE chat SET title = ?2 WHERE id = ?1";
        found(self.database.execute(sql, params![chat.0, title])?, chat)
    }

    /// Pins or unpins a conversation. A pinned one is kept regardless of age and size.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn pin(&mut self, chat: ChatId, is_pinned: bool) -> Result<(), HistoryError> {
        let sql = "UPDATE chat SET pinned = ?2 WHERE id = ?1";
        found(self.database.execute(sql, params![chat.0, is_pinned])?, chat)
    }

    /// Files a conversation under these [tags](tags_of), and no others.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn tag(&mut self, chat: ChatId, tags: &[String]) -> Result<(), HistoryError> {
        found(set_tags(&self.database, chat, tags)?, chat)
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    /// [`HistoryError::Missing`], and those of the database.
    pub fn remove(&mut self, chat: ChatId) -> Result<(), HistoryError> {
        // The session file from which it was imported is not imported again.
        let change = self.database.transaction()?;
        change.execute(
            "INSERT OR REPLACE INTO removed_file (file, stamp) SELECT file, stamp FROM chat
             WHERE id = ?1 AND file IS NOT NULL",
            [chat.0],
        )?;
        let removed = change.execute("DELETE FROM chat WHERE id = ?1", [chat.0])?;
        change.commit()?;
        found(removed, chat)
    }

    /// Deletes conversations beyond the limits, oldest first. Returns their number.
    ///
    /// # Errors
    /// Those of the database.
    pub fn prune(&mut self, limits: Limits) -> Result<usize, HistoryError> {
        let oldest = limits
            .age
            .map_or(i64::MIN, |age| now().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
        let sizes = "SELECT id, pinned, updated, bytes FROM chat INDEXED BY chat_order
            ORDER BY pinned DESC, updated DESC, id DESC";
        let mut over = Vec::new();
        let mut kept = 0u64;
        let mut chats = self.database.prepare(sizes)?;
        let mut rows = chats.query([])?;
        while let Some(row) = rows.next()? {
            let (id, is_pinned, updated, size): (i64, bool, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            kept = kept.saturating_add(size.unsigned_abs());
            if !is_pinned && (updated < oldest || kept > limits.bytes) {
                over.push(ChatId(id));
            }
        }
        drop(rows);
        drop(chats);
        for chat in &over {
            self.remove(*chat)?;
        }
        Ok(over.len())
    }
}

/// The tags in a text: its words, in order, without a leading `#`. Case does not matter.
pub fn tags_of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || c == ',');
    let words = words.map(|word| word.trim_start_matches('#').to_lowercase());
    let tags = words.map(|word| word.chars().take(find::NAME_CHARS).collect::<String>());
    let tags: BTreeSet<String> = tags.filter(|tag| !tag.is_empty()).collect();
    tags.into_iter().collect()
}

/// Each with a blank before and behind it.
pub(super) fn set_tags(
    database: &Connection,
    chat: ChatId,
    tags: &[String],
) -> Result<usize, rusqlite::Error> {
    let tags: String = tags_of(&tags.join(" ")).iter().map(|tag| format!(" {tag} ")).collect();
    database.execute("UPDATE chat SET tags = ?2 WHERE id = ?1", params![chat.0, tags])
}

fn found(changed: usize, chat: ChatId) -> Result<(), HistoryError> {
    if changed == 0 { Err(HistoryError::Missing(chat.0.to_string())) } else { Ok(()) }
}
