//! The database: its file and its tables.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::HistoryError;

/// How long a program waits for another program's write.
const BUSY: Duration = Duration::from_secs(5);
/// The statements that upgrade the tables to each version from the previous one.
///
/// Times are milliseconds since 1970. A growing text is stored in pieces until its answer ends, so that a
/// long answer is not rewritten with each piece.
pub(super) const VERSIONS: [&str; 5] = [
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
    // The wording of one answer's question. The number of bytes written to a conversation, for the limit. The
    // last writer.
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
    // The writer of an answer that a relay runs.
    "
ALTER TABLE variant ADD COLUMN writer INTEGER NOT NULL DEFAULT 0;
",
    // The trigrams of the indexes, and the ends of texts, where no trigram begins, for shorter searches. The
    // images of an answer, one JSON string per line.
    "
CREATE VIRTUAL TABLE question_threes USING fts5vocab(question_words, instance);
CREATE VIRTUAL TABLE answer_threes USING fts5vocab(answer_words, instance);
CREATE VIRTUAL TABLE variant_threes USING fts5vocab(variant_words, instance);
CREATE INDEX turn_end ON turn (substr(question, -2));
CREATE INDEX variant_end ON variant (substr(text, -2));
CREATE INDEX variant_own_end ON variant (substr(words, -2));
ALTER TABLE variant ADD COLUMN images TEXT NOT NULL DEFAULT '';
",
    // Tags, with a blank before and behind each.
    "
ALTER TABLE chat ADD COLUMN tags TEXT NOT NULL DEFAULT '';
",
];

/// The history, opened for reading and writing. Every call waits for the disk; a foreground should use a
/// [`Writer`](super::Writer).
#[derive(Debug)]
pub struct History {
    pub(super) database: Connection,
    /// Its path, unless it is in memory.
    pub(super) path: Option<PathBuf>,
}

impl History {
    /// Opens the history, or creates one. Only its owner can access the file and a new folder.
    ///
    /// # Errors
    /// Those of the file system, and of a file that is not a history or has a later version.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // SQLite gives its other files the permissions of this one.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Self::over(Connection::open(path)?, Some(path.to_owned()))
    }

    /// A history in memory, which is lost when it is dropped.
    ///
    /// # Errors
    /// Only if there is no memory.
    pub fn in_memory() -> Result<Self, HistoryError> {
        Self::over(Connection::open_in_memory()?, None)
    }

    fn over(database: Connection, path: Option<PathBuf>) -> Result<Self, HistoryError> {
        database.busy_timeout(BUSY)?;
        // SQLite does not wait automatically if two programs open a new file at once.
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
