//! A thread that writes, so that nobody else waits for the disk.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::TransactionBehavior;

use super::record::Target;
use super::{ChatId, History, HistoryError, Limits};

/// What comes within this time is written at once: a frame of a screen.
const FRAME: Duration = Duration::from_millis(16);
/// How long to wait before a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// The most that waits for the disk, in bytes; what comes beyond it is not written.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// A conversation that a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chat(u64);

/// Writes records to a history on a thread of its own. No call waits for the disk, but [`Writer::finish`].
///
/// What waits is written in one transaction a frame, whatever the number of conversations. Where the disk is locked, full
/// or slow, it waits on; [`Writer::lag`] says since when. Dropping a writer gives up what waits.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Chat, Order)>,
    waiting_bytes: usize,
    since: Option<Instant>,
    trouble: Option<String>,
    is_ending: bool,
    is_over: bool,
}

#[derive(Debug)]
enum Order {
    Begin(Box<Target>),
    Lines(String),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code here panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes to the history at `path`, which is made when there is something to write.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(path: &Path) -> Result<Self, HistoryError> {
        let shared = Arc::new(Shared::default());
        let (there, path) = (shared.clone(), path.to_owned());
        let thread =
            std::thread::Builder::new().name("towline-history".into()).spawn(move || write(&there, &path))?;
        Ok(Self { shared, thread: Some(thread), next: 0 })
    }

    /// A new conversation, named after its first question where `name` is `None`. It is made with its first line.
    pub fn begin(&mut self, name: Option<&str>) -> Chat {
        self.target(Target::new(name))
    }

    /// A conversation that is there.
    pub fn resume(&mut self, chat: ChatId) -> Chat {
        self.target(Target::of(chat))
    }

    fn target(&mut self, target: Target) -> Chat {
        let chat = Chat(self.next);
        self.next += 1;
        self.shared.state().waiting.push((chat, Order::Begin(Box::new(target))));
        chat
    }

    /// Writes lines of a session (see [`chat::session`](crate::chat::session)) to a conversation.
    pub fn append(&self, chat: Chat, lines: String) {
        let mut state = self.shared.state();
        if lines.is_empty() {
            return;
        }
        if state.waiting_bytes.saturating_add(lines.len()) > MAX_WAITING_BYTES {
            state.trouble = Some(format!("more than {} MiB wait for the history", MAX_WAITING_BYTES >> 20));
            return;
        }
        state.waiting_bytes += lines.len();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.push((chat, Order::Lines(lines)));
        self.shared.changed.notify_all();
    }

    /// For how long something has waited for the disk, and what is wrong with it, if that is known.
    pub fn lag(&self) -> Option<(Duration, Option<String>)> {
        let state = self.shared.state();
        state.since.map(|since| (since.elapsed(), state.trouble.clone()))
    }

    /// Waits until everything is written, for at most so long.
    ///
    /// # Errors
    /// What kept it from being written.
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
            // It has ended, or is about to.
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

/// Writes until told to end, and then what there is.
fn write(shared: &Shared, path: &Path) {
    let mut disk = Disk { path, history: None, targets: HashMap::new() };
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
                if state.waiting.is_empty() {
                    state.since = None;
                }
            }
            Err(error) => {
                state.trouble = Some(error.to_string());
                if state.is_ending {
                    break;
                }
                drop(shared.changed.wait_timeout(state, AGAIN));
            }
        }
    }
    shared.state().is_over = true;
    shared.changed.notify_all();
}

/// Waits until there is something to write and a frame has passed since the last time; adds it to what is in the batch.
/// `false` when all is written and nothing more will come.
fn wait(shared: &Shared, batch: &mut Vec<(Chat, Order)>, last: Option<Instant>) -> bool {
    let mut state = shared.state();
    while batch.is_empty() && state.since.is_none() && !state.is_ending {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let frame = last.map(|last| last + FRAME);
    while !state.is_ending
        && let Some(left) = frame.and_then(|frame| frame.checked_duration_since(Instant::now()))
        && !left.is_zero()
    {
        state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    state.waiting_bytes = 0;
    batch.append(&mut state.waiting);
    let has_lines = batch.iter().any(|(_, order)| matches!(order, Order::Lines(_)));
    has_lines || !state.is_ending
}

#[derive(Debug)]
struct Disk<'a> {
    path: &'a Path,
    history: Option<History>,
    targets: HashMap<Chat, Target>,
}

impl Disk<'_> {
    /// Writes a batch in one transaction, wholly or not at all. What the history refused of it, which is not tried again.
    fn write(&mut self, batch: &[(Chat, Order)]) -> Result<Option<String>, HistoryError> {
        let history = match &mut self.history {
            Some(history) => history,
            none => {
                let mut history = History::open(self.path)?;
                history.prune(Limits::default())?;
                none.insert(history)
            }
        };
        let change = history.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut targets = self.targets.clone();
        let mut refused = None;
        for (chat, order) in batch {
            match order {
                Order::Begin(target) => drop(targets.insert(*chat, target.as_ref().clone())),
                Order::Lines(lines) => match targets.entry(*chat).or_default().lines(&change, lines) {
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
