//! Determines which program writes an answer that a relay runs: one at a time.
//!
//! The answer names its writer, and each writer holds a lock on its own file; the operating system releases
//! the lock when the program ends in any way. So the rest of an answer is written by its writer or, once that
//! has exited, by the program that replaces it, from the exact byte at which the history stops.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use towline::relay::Job;
use towline::{Event, Outcome};

use super::place::{InHistory, place_of};
use super::record::Target;
use super::{ChatId, History, HistoryError, WriterId, export};
use crate::chat::{Reading, session};

/// How long a writer may take to start, and how often that is checked.
const BEGIN: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The state of the rest of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestOutcome {
    /// The history has it now.
    Written,
    /// A running program writes it.
    Held,
    /// The history has no such answer, or already has its end.
    Unknown,
}

/// The lock of a running writer. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Alive {
    path: PathBuf,
    _locked: File,
}

impl Alive {
    /// Starts a writer of the history at `path`.
    pub(super) fn begin(path: &Path, writer: WriterId) -> Result<Self, HistoryError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder(path))?;
        let path = file(path, writer);
        let locked = File::create(&path)?;
        locked.lock()?;
        Ok(Self { path, _locked: locked })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // A remaining file is not locked, so it does no harm.
        drop(std::fs::remove_file(&self.path));
    }
}

fn folder(history: &Path) -> PathBuf {
    history.with_extension("writers")
}

fn file(history: &Path, writer: WriterId) -> PathBuf {
    folder(history).join(writer.0.to_string())
}

fn is_alive(history: Option<&Path>, writer: WriterId) -> bool {
    let Some(path) = history.filter(|_| writer != WriterId::default()) else { return false };
    let Ok(file) = File::open(file(path, writer)) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

impl History {
    fn is_alive(&self, writer: WriterId) -> bool {
        is_alive(self.path.as_deref(), writer)
    }

    /// All answers that a relay runs or ran, whose end is not known, and whose writer has exited: their
    /// conversations, most recently changed first, and the relay's ids.
    ///
    /// # Errors
    /// Those of the database.
    pub fn without_writer(&self) -> Result<Vec<(ChatId, String)>, HistoryError> {
        let sql = "SELECT turn.chat, variant.relay, variant.writer FROM variant
                   JOIN turn ON turn.id = variant.turn JOIN chat ON chat.id = turn.chat
                   WHERE variant.ending IS NULL AND variant.relay IS NOT NULL ORDER BY chat.updated DESC, variant.id DESC";
        let mut left = self.database.prepare_cached(sql)?;
        let left = left.query_map([], |row| {
            Ok((ChatId(row.get(0)?), row.get::<_, String>(1)?, WriterId(row.get(2)?)))
        })?;
        let left = left.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(left
            .filter(|(.., writer)| !self.is_alive(*writer))
            .map(|(chat, relay, _)| (chat, relay))
            .collect())
    }

    /// Links a job of a relay to its answer, if the program that asked exited before it could: finds the
    /// answer that the relay's record names. Returns whether it linked one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn link(&mut self, job: &Job) -> Result<bool, HistoryError> {
        let Some((history, id)) = place_of(job) else { return Ok(false) };
        let (chat, writer) = match history {
            InHistory::Chat(ChatId(chat)) => (Some(chat), None),
            InHistory::LastOf(WriterId(writer)) => (None, Some(writer)),
        };
        let sql = "SELECT chat.id, chat.writer, coalesce(variant.words, turn.question) FROM chat
                   JOIN turn ON turn.chat = chat.id JOIN variant ON variant.turn = turn.id
                   WHERE turn.number = ?1 AND variant.number = ?2 AND variant.ending IS NULL AND variant.relay IS NULL
                   AND chat.id = coalesce(?3, (SELECT id FROM chat WHERE writer = ?4 ORDER BY updated DESC LIMIT 1))";
        let change = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let turn = i64::try_from(id.turn.0).unwrap_or(i64::MAX);
        let found = change.query_row(sql, params![turn, id.variant, chat, writer], |row| {
            Ok((ChatId(row.get(0)?), WriterId(row.get(1)?), row.get::<_, String>(2)?))
        });
        let Some((chat, writer, question)) = found.optional()? else { return Ok(false) };
        // The relay keeps only the beginning of a long question.
        let is_asked = job.question.as_deref().is_some_and(|asked| question.starts_with(asked));
        if !is_asked || is_alive(self.path.as_deref(), writer) {
            return Ok(false);
        }
        Target::of(chat).lines(&change, &session::relay(id, &job.id))?;
        change.commit()?;
        Ok(true)
    }

    /// Makes `writer` the writer of those answers of a conversation that a relay runs, whose writer has
    /// exited, and that are `wanted` by their relay ids; returns these ids. Call this before
    /// [`load`](Self::load), so that nothing is written in between.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take_over(
        &mut self,
        chat: ChatId,
        writer: WriterId,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, HistoryError> {
        // It starts on its own thread.
        let until = Instant::now() + BEGIN;
        while !self.is_alive(writer) && Instant::now() < until {
            std::thread::sleep(POLL_INTERVAL);
        }
        let left = self.without_writer()?.into_iter().filter(|(of, relay)| *of == chat && wanted(relay));
        let mut taken = Vec::new();
        for (_, relay) in left {
            let held = holder(&self.database, &relay)?.filter(|(_, held)| !self.is_alive(*held));
            let Some((_, held)) = held else { continue };
            // Only from a writer that has exited.
            let sql = "UPDATE variant SET writer = ?3 WHERE relay = ?1 AND ending IS NULL AND writer = ?2";
            if self.database.execute(sql, params![relay, held.0, writer.0])? > 0 {
                taken.push(relay);
            }
        }
        Ok(taken)
    }

    /// Writes the rest and the end of an answer whose writer has exited, from the relay's complete answer, in
    /// one transaction.
    ///
    /// # Errors
    /// Those of the database. Then nothing is written.
    pub fn complete(
        &mut self,
        relay: &str,
        events: &[Event],
        outcome: &Outcome,
    ) -> Result<RestOutcome, HistoryError> {
        let Some((_, writer)) = holder(&self.database, relay)? else { return Ok(RestOutcome::Unknown) };
        if self.is_alive(writer) {
            return Ok(RestOutcome::Held);
        }
        let change = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match holder(&change, relay)? {
            None => return Ok(RestOutcome::Unknown),
            // Another writer has replaced it meanwhile.
            Some((_, other)) if other != writer => return Ok(RestOutcome::Held),
            Some((chat, _)) => {
                let mut conversation = session::read(&export::lines(&change, chat, false)?)?;
                let of_relay = conversation.answers().find_map(|answer| {
                    answer.detached_at_relay().filter(|at| at.id == relay).map(|_| answer.id)
                });
                let resumed = of_relay.and_then(|id| Reading::resumed(&mut conversation, id));
                let Some((_, mut reading)) = resumed else { return Ok(RestOutcome::Unknown) };
                let mut lines = String::new();
                for event in events {
                    reading.receive(&mut conversation, event, &mut lines);
                }
                reading.end(&mut conversation, outcome, &mut lines);
                Target::of(chat).lines(&change, &lines)?;
            }
        }
        change.commit()?;
        Ok(RestOutcome::Written)
    }
}

/// The conversation of an answer whose end is not known, and its writer.
fn holder(database: &Connection, relay: &str) -> Result<Option<(ChatId, WriterId)>, HistoryError> {
    let sql = "SELECT turn.chat, variant.writer FROM variant JOIN turn ON turn.id = variant.turn
               WHERE variant.ending IS NULL AND variant.relay = ?1";
    let mut found = database.prepare_cached(sql)?;
    let found = found.query_row([relay], |row| Ok((ChatId(row.get(0)?), WriterId(row.get(1)?))));
    Ok(found.optional()?)
}
