//! Imports session files and leaves them unchanged.

use std::path::Path;
use std::time::UNIX_EPOCH;

use rusqlite::{OptionalExtension as _, params};

use super::record::Target;
use super::{ChatId, History, HistoryError, export};
use crate::chat::files;

/// The result of an import of a folder's session files.
#[derive(Debug, Default)]
pub struct Imported {
    /// Number of files that were imported, for the first time or again.
    pub files: usize,
    /// Files that could not be imported, and why.
    pub failed: Vec<(String, HistoryError)>,
}

impl Imported {
    /// The reasons why files were not imported, for people.
    pub fn complaints(&self) -> Vec<String> {
        let complaint =
            |(name, why): &(String, HistoryError)| format!("the session {name} is not in the history: {why}");
        self.failed.iter().map(complaint).collect()
    }

    /// The reason why the file of this name was not imported.
    pub fn complaint(&self, name: &str) -> Option<String> {
        let (name, why) = self.failed.iter().find(|(failed, _)| failed == name)?;
        Some(format!("{name}: {why}"))
    }
}

impl History {
    /// Imports the session files of a folder that are new or have changed. A file whose conversation was
    /// deleted, or that could not be imported, is read again only if it has changed since. If the
    /// conversation has changed in the history, a changed file becomes a new conversation.
    ///
    /// # Errors
    /// Those of the database. A file that cannot be read is listed in [`Imported::failed`], and the others are
    /// imported.
    pub fn import_folder(&mut self, folder: &Path) -> Result<Imported, HistoryError> {
        let mut imported = Imported::default();
        for (name, _) in files::list(folder) {
            let Ok(path) = files::named(folder, &name) else { continue };
            match self.import_file(&path, &name) {
                Ok(true) => imported.files += 1,
                Ok(false) => {}
                Err(HistoryError::Database(error)) => return Err(error.into()),
                Err(error) => {
                    if let Ok((stamp, _)) = stamp(&path) {
                        let sql = "INSERT OR REPLACE INTO removed_file (file, stamp) VALUES (?1, ?2)";
                        self.database.execute(sql, params![path.to_string_lossy(), stamp])?;
                    }
                    imported.failed.push((name, error));
                }
            }
        }
        Ok(imported)
    }

    /// Pins the conversation that was imported from the session file of this name, if there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn pin_imported(&mut self, folder: &Path, name: &str) -> Result<(), HistoryError> {
        if let Ok(path) = files::named(folder, name) {
            self.database.execute("UPDATE chat SET pinned = 1 WHERE file = ?1", [path.to_string_lossy()])?;
        }
        Ok(())
    }

    fn import_file(&mut self, path: &Path, name: &str) -> Result<bool, HistoryError> {
        let (stamp, written) = stamp(path)?;
        let file = path.to_string_lossy();
        let known =
            "SELECT stamp FROM chat WHERE file = ?1 UNION ALL SELECT stamp FROM removed_file WHERE file = ?1";
        let known: Option<String> = self.database.query_row(known, [&file], |row| row.get(0)).optional()?;
        if known.as_ref() == Some(&stamp) {
            return Ok(false);
        }
        let text = files::read(path).map_err(|error| HistoryError::Record(error.to_string()))?;
        let change = self.database.transaction()?;
        // A conversation that was imported before keeps its name, its title and its pin.
        let before: Option<(i64, i64, String)> = change
            .query_row("SELECT id, updated, stamp FROM chat WHERE file = ?1", [&file], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        change.execute("UPDATE chat SET file = NULL, stamp = NULL WHERE file = ?1", [&file])?;
        let is_as_imported = |updated: i64, stamp: &str| {
            let nanos = stamp.split_once(' ').and_then(|(_, nanos)| nanos.parse::<i128>().ok());
            nanos.is_some_and(|nanos| nanos / 1_000_000 == i128::from(updated))
        };
        let before = before.filter(|(_, updated, stamp)| is_as_imported(*updated, stamp));
        let target = match before.map(|(id, ..)| ChatId(id)) {
            Some(chat) => {
                change.execute("DELETE FROM turn WHERE chat = ?1", [chat.0])?;
                change.execute("UPDATE chat SET unknown = '', bytes = 0 WHERE id = ?1", [chat.0])?;
                Target::of(chat)
            }
            // Some files are named after their start time, which is not a name that a user would know.
            None => {
                let is_time = name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('T');
                Target::new((!is_time).then_some(name))
            }
        };
        let chat = export::import_lines(&change, &text, target)?;
        change.execute(
            "UPDATE chat SET file = ?2, stamp = ?3, updated = ?4 WHERE id = ?1",
            params![chat.0, file, stamp, written],
        )?;
        change.execute("DELETE FROM removed_file WHERE file = ?1", [&file])?;
        change.commit()?;
        Ok(true)
    }
}

/// A stamp that detects changes of a file (its size and modification time), and that time in milliseconds.
fn stamp(path: &Path) -> Result<(String, i64), std::io::Error> {
    let metadata = path.metadata()?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Ok((format!("{} {}", metadata.len(), since.as_nanos()), written))
}
