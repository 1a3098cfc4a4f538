//! One searchable memory of every conversation.
//!
//! It is one SQLite database of its owner's alone. Several programs read and write it at once. What is written are the
//! records of a [session](crate::chat::session), so that whatever writes one can write the other, and what is exported
//! can be imported without loss. A retry adds a *variant* to its turn: nothing is replaced.
//!
//! | file | its one job |
//! |---|---|
//! | `store` | opens the database; its tables |
//! | `record` | a record of a session does to the tables what it says |
//! | `asked` | questions that are asked without a program that writes |
//! | `export` | the tables as records again, and as a conversation |
//! | `find` | lists, names |
//! | `search` | words in any conversation |
//! | `keep` | titles, pins, what is deleted, and when by itself |
//! | `files` | session files of earlier versions are taken in |
//! | `lease` | who writes an answer that a relay runs, and what becomes of it when that program is gone |
//! | `place` | where an answer belongs, as the relay's record of it says |
//! | `writer` | a thread that writes, so that nobody else waits for the disk |

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

pub use files::Taken;
pub use find::{Found, Summary, is_name};
pub use keep::Limits;
pub use lease::Rest;
pub use place::{InHistory, for_answer, place_of, read_place, turn_of};
pub use store::History;
pub use writer::{Chat, Writer, Written};

use crate::chat::session::SessionError;

/// A conversation's number in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId(pub i64);

/// Tells one [`Writer`] from every other. Zero is none.
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

/// Why the history cannot do something.
#[derive(Debug)]
pub enum HistoryError {
    /// There is no conversation of this name or number.
    Missing(String),
    /// More than one conversation has a name that begins like this: some of them.
    Ambiguous(String, Vec<String>),
    /// The text cannot be a conversation's name.
    BadName(String),
    /// Another conversation has this name.
    Taken(String),
    /// The text is no session: which line is wrong.
    Session(SessionError),
    /// A record is not what it should be.
    Record(String),
    /// The database says no.
    Database(rusqlite::Error),
    /// The system says no.
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
                 blanks",
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
