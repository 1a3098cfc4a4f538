//! The searchable history of all conversations.
//!
//! It is one SQLite database that only its owner can access. Several programs read and write it at once. They
//! write the records of a [session](crate::chat::session), so code that writes sessions can write the
//! history, and an export can be imported without loss. A retry adds a *variant* to its turn; nothing is
//! replaced.
//!
//! | file | its one job |
//! |---|---|
//! | `store` | opens the database; its tables |
//! | `record` | applies the records of a session to the tables |
//! | `asked` | questions without a program that writes |
//! | `export` | turns the tables back into records, and into a conversation |
//! | `find` | lists and names |
//! | `search` | searches all conversations |
//! | `keep` | titles, tags, pins, manual and automatic deletion |
//! | `files` | imports session files of earlier versions |
//! | `lease` | which program writes an answer on a relay, and what happens when that program exits |
//! | `place` | the conversation of an answer, from the relay's record |
//! | `writer` | a thread that writes, so that no other thread waits for the disk |

mod asked;
mod export;
mod files;
mod find;
mod keep;
mod lease;
mod place;
mod record;
mod search;
#[cfg(test)]
mod search_tests;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;

pub use files::Imported;
pub use find::{SearchHit, Summary, is_name};
pub use keep::{Limits, tags_of};
pub use lease::RestOutcome;
pub use place::{InHistory, for_answer, place_of, read_place, turn_of};
pub use store::History;
pub use writer::{Chat, PendingChat, Writer};

use crate::chat::session::SessionError;

/// A conversation's number in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId(pub i64);

/// Identifies a [`Writer`]. Zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterId(i64);

impl WriterId {
    pub(crate) fn of(number: i64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> i64 {
        self.0
    }
}

/// The error of an operation on the history.
#[derive(Debug)]
pub enum HistoryError {
    /// There is no conversation of this name or number.
    Missing(String),
    /// More than one conversation has a name with this prefix; some of their names.
    Ambiguous(String, Vec<String>),
    /// The text cannot be a conversation's name.
    BadName(String),
    /// Another conversation has this name.
    Taken(String),
    /// The text is not a session: which line is wrong.
    Session(SessionError),
    /// A record is invalid.
    Record(String),
    /// An error of the database.
    Database(rusqlite::Error),
    /// An error of the operating system.
    Io(std::io::Error),
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the history has no conversation {name:?}"),
            Self::Ambiguous(name, some) => write!(f, "{name:?} is ambiguous: {}", some.join(", ")),
            Self::BadName(name) => write!(
                f,
                "{name:?} cannot be a conversation's name: it is 1 to {} characters, not all digits, and has no \
                 spaces",
                find::NAME_CHARS
            ),
            Self::Taken(name) => write!(f, "another conversation is named {name:?}"),
            Self::Session(error) => error.fmt(f),
            Self::Record(what) => f.write_str(what),
            Self::Database(error) => write!(f, "the history's database: {error}"),
            Self::Io(error) => write!(f, "the history's file: {error}"),
        }
    }
}

impl std::error::Error for HistoryError {}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for HistoryError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SessionError> for HistoryError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
