//! A thread that writes, so that no other thread waits for the disk.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::TransactionBehavior;

use super::lease::Alive;
use super::record::Target;
use super::{ChatId, History, HistoryError, Limits, WriterId};
use crate::chat::AnswerId;

/// Records within this time are written together: a frame of a screen.
const FRAME: Duration = Duration::from_millis(16);
/// How long to wait before a failed write is retried.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The maximum size of records that wait for the disk, in bytes. Further records are not written.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// A conversation that a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chat(u64);

/// Writes records to a history on its own thread. No call waits for the disk, except [`Writer::finish`].
///
/// Waiting records are written in one transaction per frame, for all conversations together. If the disk is
/// locked, full or slow, they keep waiting; [`Writer::lag`] says for how long. Dropping a writer drops the
/// waiting records.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    next: u64,
    id: WriterId,
}

/// A conversation that is about to be written to the history.
#[derive(Debug)]
pub struct PendingChat {
    shared: Arc<Shared>,
    chat: Chat,
}

impl PendingChat {
    /// Waits until the history has it, for at most this long.
    pub fn wait(self, at_most: Duration) -> Option<ChatId> {
        let until = Instant::now() + at_most;
        let mut state = self.shared.state();
        loop {
            if let Some(id) = state.ids.get(&self.chat) {
                return Some(*id);
            }
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Chat, WriteCommand)>,
    waiting_bytes: usize,
    since: Option<Instant>,
    trouble: Option<String>,
    /// The conversations that are in the history.
    ids: HashMap<Chat, ChatId>,
    /// The next batch is written without waiting for its frame.
    is_urgent: bool,
    is_ending: bool,
    is_over: bool,
}

#[derive(Debug)]
enum WriteCommand {
    Begin(Box<Target>),
    Lines(String),
    Detach(AnswerId),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes to the history at `path`, which is created if it does not exist; conversations beyond the
    /// limits are deleted first.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn start(path: &Path, limits: Limits) -> Result<Self, HistoryError> {
        // For the simultaneous programs of one user, this is random enough.
        let random = RandomState::new().hash_one(std::process::id()) >> 1;
        let id = WriterId(i64::try_from(random).unwrap_or(i64::MAX));
        let shared = Arc::new(Shared::default());
        let (there, path) = (shared.clone(), path.to_owned());
        let thread = std::thread::Builder::new()
            .name("towline-history".into())
            .spawn(move || write(&there, &path, limits, id))?;
        Ok(Self { shared, thread: Some(thread), next: 0, id })
    }

    /// A new conversation, named after its first question if `name` is `None`. Its first line creates it.
    pub fn begin(&mut self, name: Option<&str>) -> Chat {
        self.target(Target::new(name))
    }

    /// An existing conversation.
    pub fn resume(&mut self, chat: ChatId) -> Chat {
        self.target(Target::of(chat))
    }

    /// The conversation's number, once the history has it.
    pub fn id(&self, chat: Chat) -> Option<ChatId> {
        self.shared.state().ids.get(&chat).copied()
    }

    /// A handle with which to wait for the conversation's number.
    pub fn when_written(&self, chat: Chat) -> PendingChat {
        PendingChat { shared: self.shared.clone(), chat }
    }

    /// The id under which the history records this writer's changes.
    pub fn writer_id(&self) -> WriterId {
        self.id
    }

    fn target(&mut self, target: Target) -> Chat {
        let target = target.by(self.id);
        let known = target.chat;
        let chat = Chat(self.next);
        self.next += 1;
        let mut state = self.shared.state();
        state.ids.extend(known.map(|known| (chat, known)));
        state.waiting.push((chat, WriteCommand::Begin(Box::new(target))));
        chat
    }

    /// Writes lines of a session (see [`chat::session`](crate::chat::session)) to a conversation.
    pub fn append(&self, chat: Chat, lines: String) {
        let mut state = self.shared.state();
        if lines.is_empty() {
            return;
        }
        if state.waiting_bytes.saturating_add(lines.len()) > MAX_WAITING_BYTES {
            state.trouble =
                Some(format!("more than {} MiB wait to be written to the history", MAX_WAITING_BYTES >> 20));
            return;
        }
        state.waiting_bytes += lines.len();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.push((chat, WriteCommand::Lines(lines)));
        self.shared.changed.notify_all();
    }

    /// Makes the thread write waiting records at once, without waiting for the next frame.
    pub fn hurry(&self) {
        self.shared.state().is_urgent = true;
        self.shared.changed.notify_all();
    }

    /// Leaves an answer to the relay that runs it: once it has ended, the first program that checks writes
    /// the rest.
    pub fn detach(&self, chat: Chat, id: AnswerId) {
        let mut state = self.shared.state();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.push((chat, WriteCommand::Detach(id)));
        self.shared.changed.notify_all();
    }

    /// How long records have been waiting for the disk, and the disk's error, if known.
    pub fn lag(&self) -> Option<(Duration, Option<String>)> {
        let state = self.shared.state();
        state.since.map(|since| (since.elapsed(), state.trouble.clone()))
    }

    /// Waits until everything is written, for at most this long.
    ///
    /// # Errors
    /// The reason why records could not be written.
    pub fn finish(mut self, at_most: Duration) -> Result<(), String> {
        let mut state = self.shared.state();
        state.is_ending = true;
        self.shared.changed.notify_all();
        let until = Instant::now() + at_most;
        while !state.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let trouble = state.trouble.clone();
                return Err(trouble.unwrap_or_else(|| "the disk takes too long".to_owned()));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let trouble = state.trouble.take();
        drop(state);
        if let Some(thread) = self.thread.take() {
            // The thread has ended, or is about to.
            drop(thread.join());
        }
        trouble.map_or(Ok(()), Err)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_ending = true;
        self.shared.changed.notify_all();
    }
}

/// Writes until it is ended, and then writes the remaining records.
fn write(shared: &Shared, path: &Path, limits: Limits, id: WriterId) {
    let mut disk = Disk { path, limits, id, alive: None, history: None, targets: HashMap::new() };
    // An error on opening is reported when there is something to write.
    drop(disk.history());
    let mut batch = Vec::new();
    let mut last: Option<Instant> = None;
    while wait(shared, &mut batch, last) {
        last = Some(Instant::now());
        let written = disk.write(&batch);
        let mut state = shared.state();
        match written {
            Ok(refused) => {
                batch.clear();
                state.trouble = refused;
                state
                    .ids
                    .extend(disk.targets.iter().filter_map(|(chat, target)| Some((*chat, target.chat?))));
                shared.changed.notify_all();
                if state.waiting.is_empty() {
                    state.since = None;
                }
            }
            Err(error) => {
                state.trouble = Some(error.to_string());
                if state.is_ending {
                    break;
                }
                drop(shared.changed.wait_timeout(state, RETRY_INTERVAL));
            }
        }
    }
    shared.state().is_over = true;
    shared.changed.notify_all();
}

/// Waits until there is something to write and a frame has passed since the last write, and adds it to the
/// batch. `false` if everything is written and nothing more will follow.
fn wait(shared: &Shared, batch: &mut Vec<(Chat, WriteCommand)>, last: Option<Instant>) -> bool {
    let mut state = shared.state();
    while batch.is_empty() && state.since.is_none() && !state.is_ending {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let frame = last.map(|last| last + FRAME);
    while !state.is_ending
        && !state.is_urgent
        && let Some(left) = frame.and_then(|frame| frame.checked_duration_since(Instant::now()))
        && !left.is_zero()
    {
        state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    (state.waiting_bytes, state.is_urgent) = (0, false);
    batch.append(&mut state.waiting);
    let has_lines =
        batch.iter().any(|(_, command)| matches!(command, WriteCommand::Lines(_) | WriteCommand::Detach(_)));
    has_lines || !state.is_ending
}

#[derive(Debug)]
struct Disk<'a> {
    path: &'a Path,
    limits: Limits,
    id: WriterId,
    /// The lock that marks unfinished answers as written here.
    alive: Option<Alive>,
    history: Option<History>,
    targets: HashMap<Chat, Target>,
}

impl Disk<'_> {
    fn history(&mut self) -> Result<&mut History, HistoryError> {
        Ok(match &mut self.history {
            Some(history) => history,
            none => {
                let mut history = History::open(self.path)?;
                history.prune(self.limits)?;
                self.alive = Some(Alive::begin(self.path, self.id)?);
                none.insert(history)
            }
        })
    }

    /// Writes a batch in one transaction, completely or not at all. Returns the records that the history
    /// refused, which are not retried.
    fn write(&mut self, batch: &[(Chat, WriteCommand)]) -> Result<Option<String>, HistoryError> {
        let mut targets = self.targets.clone();
        let history = self.history()?;
        let change = history.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut refused = None;
        for (chat, command) in batch {
            match command {
                WriteCommand::Begin(target) => drop(targets.insert(*chat, target.as_ref().clone())),
                WriteCommand::Detach(id) => targets.entry(*chat).or_default().detach(&change, *id)?,
                WriteCommand::Lines(lines) => match targets.entry(*chat).or_default().lines(&change, lines) {
                    Err(HistoryError::Database(error)) => return Err(error.into()),
                    Err(error) => refused = Some(error.to_string()),
                    Ok(()) => {}
                },
            }
        }
        change.commit()?;
        self.targets = targets;
        Ok(refused)
    }
}
