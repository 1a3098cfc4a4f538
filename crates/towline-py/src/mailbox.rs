//! Between the task that drives an answer and the Python code that reads it: what has come and was not read.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use towline::event::Records;
use towline::{Error, Outcome};

use crate::hub::Board;
use crate::leaf::Leaf;
use crate::parker::Parker;

/// Most that may have come and not be read, in bytes. Beyond it the connection is not read until the reader has taken
/// what there is.
const UNREAD_BYTES: usize = 256 << 10;

/// What comes later joins what is there if that is less, in bytes. More is left where it is, since to join it copies it.
const JOINED_BYTES: usize = 4 << 10;

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A stream.
    Stream(Box<Outcome>),
    /// A single answer: its body, or why there is none.
    Answer(Result<Vec<u8>, Error>),
}

/// A thread or task that waits for news.
#[derive(Debug, Clone)]
pub(crate) enum Reader {
    /// A thread.
    Thread(Arc<Parker>),
    /// A task of an event loop, which knows it by this token.
    Task(Arc<Board>, u64),
}

impl Reader {
    fn wake(self) {
        match self {
            Self::Thread(parker) => parker.ring(),
            Self::Task(board, token) => board.post(token),
        }
    }
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum News {
    /// All records that came since it last looked.
    Records(Vec<Records>),
    /// The end. It is there once.
    End(End),
    /// Nothing yet; the reader will be woken once.
    None,
}

#[derive(Debug, Default)]
struct State {
    /// What was not read, in order.
    batches: Vec<Records>,
    end: Option<End>,
    /// Why the reader wants no more.
    cancelled: Option<&'static str>,
    /// What was cancelled is left to the relay that runs it.
    left: bool,
    relay_id: Option<String>,
    driver: Option<Waker>,
    reader: Option<Reader>,
}

impl State {
    fn is_full(&self) -> bool {
        self.batches.iter().map(Records::size_bytes).sum::<usize>() >= UNREAD_BYTES
    }

    fn add(&mut self, records: Records) {
        match self.batches.last_mut() {
            _ if records.is_empty() => {}
            Some(last) if last.size_bytes() < JOINED_BYTES => last.append(&records),
            Some(_) | None => self.batches.push(records),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    /// A thread of this process may have held the lock when another was forked.
    process: u32,
    state: Leaf<State>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { process: std::process::id(), state: Leaf::default() }
    }
}

/// What the driver may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) cancelled: Option<&'static str>,
    /// The stream is left to the relay that runs it.
    pub(crate) left: bool,
    pub(crate) has_room: bool,
}

impl Mailbox {
    /// What the driver may do now; it is woken when that changes.
    pub(crate) fn order(&self, cx: &Context<'_>) -> Order {
        let waker = cx.waker();
        self.state.with(|state| {
            if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(waker)) {
                state.driver = Some(waker.clone());
            }
            Order { cancelled: state.cancelled, left: state.left, has_room: !state.is_full() }
        })
    }

    /// The driver brings what came, and the end if it has come to that.
    pub(crate) fn deliver(&self, records: Records, end: Option<End>) {
        let reader = self.state.with(|state| {
            state.add(records);
            state.end = end;
            state.reader.take()
        });
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What is new; if nothing is, `reader` waits.
    pub(crate) fn look(&self, reader: Option<Reader>) -> News {
        let (news, held_up) = self.state.with(|state| {
            if !state.batches.is_empty() {
                let held_up = if state.is_full() { state.driver.clone() } else { None };
                return (News::Records(std::mem::take(&mut state.batches)), held_up);
            }
            if let Some(end) = state.end.take() {
                return (News::End(end), None);
            }
            state.reader = reader;
            (News::None, None)
        });
        if let Some(driver) = held_up {
            driver.wake();
        }
        news
    }

    /// A relay has accepted the stream under this id.
    pub(crate) fn relayed(&self, id: &str) {
        self.state.with(|state| state.relay_id.get_or_insert_with(|| id.to_owned()).len());
    }

    pub(crate) fn relay_id(&self) -> Option<String> {
        self.state.with(|state| state.relay_id.clone())
    }

    /// The end, with everything before it passed over, if it comes within `time`.
    pub(crate) fn end_within(&self, time: Duration) -> Option<End> {
        let parker = Parker::for_one_wait();
        let until = Instant::now() + time;
        loop {
            match self.look(Some(Reader::Thread(Arc::clone(&parker)))) {
                News::End(end) => return Some(end),
                News::Records(_) => continue,
                News::None => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            parker.wait_at_condition(Some(left));
        }
    }

    /// The reader wants no more. What came before is still there. Without effect in a fork, where nothing drives it.
    pub(crate) fn cancel(&self, reason: &'static str) {
        self.end(reason, false);
    }

    /// The same, but what a relay runs continues there.
    pub(crate) fn leave(&self, reason: &'static str) {
        self.end(reason, true);
    }

    fn end(&self, reason: &'static str, left: bool) {
        if self.process != std::process::id() {
            return;
        }
        let driver = self.state.with(|state| {
            if state.cancelled.is_none() {
                (state.cancelled, state.left) = (Some(reason), left);
            }
            state.driver.clone()
        });
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
