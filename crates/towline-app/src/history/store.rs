//! The database: where it is, and its tables.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::HistoryError;

/// How long one program waits for another that writes.
const BUSY: Duration = Duration::from_secs(5);
/// What makes each version of the tables out of the one before it.
///
/// Times are milliseconds since 1970. A text that grows is kept in pieces until its answer ends, so that a long answer
/// is not written again with each of them.
pub(super) const VERSIONS: [&str; 4] = [
    "
CREATE TABLE chat (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}',
    extra TEXT NOT NULL DEFAULT '{}',
    unknown TEXT NOT NULL DEFAULT '',
    file TEXT UNIQUE,
    stamp TEXT
);
CREATE INDEX chat_order ON chat (pinned DESC, updated DESC, id DESC);
CREATE INDEX chat_updated ON chat (updated);
CREATE TABLE turn (
    id INTEGER PRIMARY KEY,
    chat INTEGER NOT NULL REFERENCES chat ON DELETE CASCADE,
    number INTEGER NOT NULL,
    question TEXT NOT NULL,
    images TEXT NOT NULL DEFAULT '',
    extra TEXT NOT NULL DEFAULT '{}',
    shown INTEGER NOT NULL,
    UNIQUE (chat, number)
);
CREATE TABLE variant (
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turn ON DELETE CASCADE,
    number INTEGER NOT NULL,
    model TEXT NOT NULL,
    text TEXT NOT NULL DEFAULT '',
    thinking TEXT NOT NULL DEFAULT '',
    calls TEXT NOT NULL DEFAULT '',
    relay TEXT,
    relay_held TEXT,
    ending TEXT,
    usage TEXT,
    extra TEXT NOT NULL DEFAULT '{}',
    created INTEGER NOT NULL,
    ended INTEGER,
    UNIQUE (turn, number)
);
CREATE INDEX variant_open ON variant (turn) WHERE ending IS NULL;
CREATE TABLE piece (
    id INTEGER PRIMARY KEY,
    variant INTEGER NOT NULL REFERENCES variant ON DELETE CASCADE,
    thinking INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX piece_variant ON piece (variant);
CREATE TABLE removed_file (file TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE VIRTUAL TABLE question_words USING fts5(question, content='turn', content_rowid='id', tokenize='trigram');
CREATE TRIGGER turn_added AFTER INSERT ON turn BEGIN
    INSERT INTO question_words(rowid, question) VALUES (new.id, new.question);
END;
CREATE TRIGGER turn_removed AFTER DELETE ON turn BEGIN
    INSERT INTO question_words(question_words, rowid, question) VALUES ('delete', old.id, old.question);
END;
CREATE VIRTUAL TABLE answer_words USING fts5(text, content='variant', content_rowid='id', tokenize='trigram');
CREATE TRIGGER variant_added AFTER INSERT ON variant WHEN new.text != '' BEGIN
    INSERT INTO answer_words(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER variant_changed AFTER UPDATE OF text ON variant BEGIN
    INSERT INTO answer_words(answer_words, rowid, text) SELECT 'delete', old.id, old.text WHERE old.text != '';
    INSERT INTO answer_words(rowid, text) SELECT new.id, new.text WHERE new.text != '';
END;
CREATE TRIGGER variant_removed AFTER DELETE ON variant WHEN old.text != '' BEGIN
    INSERT INTO answer_words(answer_words, rowid, text) VALUES ('delete', old.id, old.text);
END;
",
    // The question of one answer alone. How many bytes were written to a conversation, for the limit.
    // Who wrote to it last.
    "
ALTER TABLE variant ADD COLUMN words TEXT;
CREATE VIRTUAL TABLE variant_words USING fts5(words, content='variant', content_rowid='id', tokenize='trigram');
CREATE TRIGGER words_added AFTER INSERT ON variant WHEN new.words IS NOT NULL BEGIN
    INSERT INTO variant_words(rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER words_removed AFTER DELETE ON variant WHEN old.words IS NOT NULL BEGIN
    INSERT INTO variant_words(variant_words, rowid, words) VALUES ('delete', old.id, old.words);
END;
ALTER TABLE chat ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE chat SET bytes = coalesce((SELECT sum(length(text) + length(thinking)) FROM variant
    JOIN turn ON turn.id = variant.turn WHERE turn.chat = chat.id), 0);
DROP INDEX chat_order;
CREATE INDEX chat_order ON chat (pinned DESC, updated DESC, id DESC, bytes);
ALTER TABLE chat ADD COLUMN writer INTEGER NOT NULL DEFAULT 0;
",
    // Who writes an answer that a relay runs.
    "
ALTER TABLE variant ADD COLUMN writer INTEGER NOT NULL DEFAULT 0;
",
    // The threes of characters that the indexes know, and the ends of texts, where none begins: for shorter words.
    // Images of an answer, a string of JSON a line.
    "
CREATE VIRTUAL TABLE question_threes USING fts5vocab(question_words, instance);
CREATE VIRTUAL TABLE answer_threes USING fts5vocab(answer_words, instance);
CREATE VIRTUAL TABLE variant_threes USING fts5vocab(variant_words, instance);
CREATE INDEX turn_end ON turn (substr(question, -2));
CREATE INDEX variant_end ON variant (substr(text, -2));
CREATE INDEX variant_own_end ON variant (substr(words, -2));
ALTER TABLE variant ADD COLUMN images TEXT NOT NULL DEFAULT '';
",
];

/// The history, open for reading and for changes. Every call waits for the disk; a foreground uses a
/// [`Writer`](super::Writer).
#[derive(Debug)]
pub struct History {
    pub(super) database: Connection,
    /// Where it is, unless it is in memory.
    pub(super) path: Option<PathBuf>,
}

impl History {
    /// Opens the history, or makes one. Its file, and a folder that is made for it, are its owner's alone.
    ///
    /// # Errors
    /// Those of the file system, and of a file that is no history or of a later version.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // SQLite gives the files beside it the rights of this one.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Self::over(Connection::open(path)?, Some(path.to_owned()))
    }

    /// A history that is forgotten when it is dropped.
    ///
    /// # Errors
    /// Only where there is no memory.
    pub fn in_memory() -> Result<Self, HistoryError> {
        Self::over(Connection::open_in_memory()?, None)
    }

    fn over(database: Connection, path: Option<PathBuf>) -> Result<Self, HistoryError> {
        database.busy_timeout(BUSY)?;
        // SQLite does not wait by itself where two programs open a new file at once.
        let until = Instant::now() + BUSY;
        while let Err(error) = database.execute_batch("PRAGMA journal_mode = WAL") {
            if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || Instant::now() > until {
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        database.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;
             PRAGMA secure_delete = ON;",
        )?;
        let mut history = Self { database, path };
        if history.version()? < VERSIONS.len() {
            // Another program may be about to do the same.
            let tables =
                history.database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for (version, change) in (1..).zip(VERSIONS).skip(version(&tables)?) {
                tables.execute_batch(&format!("{change}; PRAGMA user_version = {version}"))?;
            }
            tables.commit()?;
        }
        match history.version()? {
            version if version == VERSIONS.len() => Ok(history),
            version => Err(HistoryError::Record(format!(
                "the history has version {version}; this program reads version {}",
                VERSIONS.len()
            ))),
        }
    }

    /// A number that changes when another program, or another part of this one, has changed the history.
    ///
    /// # Errors
    /// Those of the database.
    pub fn edition(&self) -> Result<i64, HistoryError> {
        Ok(self.database.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    fn version(&self) -> Result<usize, rusqlite::Error> {
        version(&self.database)
    }
}

fn version(database: &Connection) -> Result<usize, rusqlite::Error> {
    let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
