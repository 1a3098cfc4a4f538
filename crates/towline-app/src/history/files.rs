//! Session files are taken in, and left where they are.

use std::path::Path;
use std::time::UNIX_EPOCH;

use rusqlite::{OptionalExtension as _, params};

use super::record::Target;
use super::{ChatId, History, HistoryError, export};
use crate::chat::files;

/// What became of the session files of a folder.
#[derive(Debug, Default)]
pub struct Taken {
    /// Files that were taken in, wholly or again.
    pub files: usize,
    /// Files that could not be, and why.
    pub failed: Vec<(String, HistoryError)>,
}

impl History {
    /// Takes in the session files of a folder that are new or have changed. One whose conversation was deleted here comes
    /// back only when it has changed since.
    ///
    /// # Errors
    /// Those of the database. A file that cannot be read is named in [`Taken::failed`], and the others are taken in.
    pub fn take_in(&mut self, folder: &Path) -> Result<Taken, HistoryError> {
        let mut taken = Taken::default();
        for (name, _) in files::list(folder) {
            let Ok(path) = files::named(folder, &name) else { continue };
            match self.take_in_file(&path, &name) {
                Ok(true) => taken.files += 1,
                Ok(false) => {}
                Err(HistoryError::Database(error)) => return Err(error.into()),
                Err(error) => taken.failed.push((name, error)),
            }
        }
        Ok(taken)
    }

    fn take_in_file(&mut self, path: &Path, name: &str) -> Result<bool, HistoryError> {
        let metadata = path.metadata()?;
        let written = metadata.modified()?;
        let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = format!("{} {}", metadata.len(), since.as_nanos());
        let file = path.to_string_lossy();
        let known =
            "SELECT stamp FROM chat WHERE file = ?1 UNION ALL SELECT stamp FROM removed_file WHERE file = ?1";
        let known: Option<String> = self.database.query_row(known, [&file], |row| row.get(0)).optional()?;
        if known.as_ref() == Some(&stamp) {
            return Ok(false);
        }
        if metadata.len() > files::MAX_BYTES {
            return Err(HistoryError::Record(format!("it is larger than {} MiB", files::MAX_BYTES >> 20)));
        }
        let text = std::fs::read_to_string(path)?;
        let change = self.database.transaction()?;
        // A conversation that was taken in before keeps its name, its title and its pin.
        let before: Option<i64> =
            change.query_row("SELECT id FROM chat WHERE file = ?1", [&file], |row| row.get(0)).optional()?;
        let target = match before.map(ChatId) {
            Some(chat) => {
                change.execute("DELETE FROM turn WHERE chat = ?1", [chat.0])?;
                change.execute("UPDATE chat SET unknown = '' WHERE id = ?1", [chat.0])?;
                Target::of(chat)
            }
            // Files are named after the time at which they began: no name that a person would know.
            None => {
                let is_time = name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('T');
                Target::new((!is_time).then_some(name))
            }
        };
        let chat = export::take_in(&change, &text, target)?;
        let updated = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        change.execute(
            "UPDATE chat SET file = ?2, stamp = ?3, updated = ?4 WHERE id = ?1",
            params![chat.0, file, stamp, updated],
        )?;
        change.execute("DELETE FROM removed_file WHERE file = ?1", [&file])?;
        change.commit()?;
        Ok(true)
    }
}
