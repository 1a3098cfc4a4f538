//! Between the task that drives an answer and the Python code that reads it: what has come and was not read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use towline::{Error, Outcome, Records};

use crate::hub::Board;
use crate::parker::Parker;

/// Most that may have come and not be read, in bytes. Beyond it the connection is not read until the reader has taken
/// what there is.
pub(crate) const UNREAD_BYTES: usize = 256 << 10;

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A stream.
    Stream(Box<Outcome>),
    /// A single answer: its body, or why there is none.
    Answer(Result<Vec<u8>, Error>),
}

/// Whoever waits for news.
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
    Records(Records),
    /// The end. It is there once.
    End(End),
    /// Nothing yet; the reader will be woken once.
    None,
}

#[derive(Debug, Default)]
struct State {
    records: Records,
    end: Option<End>,
    /// Why the reader wants no more.
    cancelled: Option<&'static str>,
    driver: Option<Waker>,
    reader: Option<Reader>,
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

/// What the driver may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) cancelled: Option<&'static str>,
    pub(crate) has_room: bool,
}

impl Mailbox {
    /// What the driver may do now; it is woken when that changes.
    pub(crate) fn order(&self, cx: &Context<'_>) -> Order {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        Order { cancelled: state.cancelled, has_room: state.records.size_bytes() < UNREAD_BYTES }
    }

    /// The driver brings what came, and the end if it has come to that.
    pub(crate) fn deliver(&self, records: Records, end: Option<End>) {
        let mut state = self.lock();
        if state.records.is_empty() {
            state.records = records;
        } else {
            state.records.append(&records);
        }
        state.end = end;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What is new; if nothing is, `reader` waits.
    pub(crate) fn look(&self, reader: Option<Reader>) -> News {
        let mut state = self.lock();
        if !state.records.is_empty() {
            let was_full = state.records.size_bytes() >= UNREAD_BYTES;
            let records = std::mem::take(&mut state.records);
            let driver = if was_full { state.driver.clone() } else { None };
            drop(state);
            if let Some(driver) = driver {
                driver.wake();
            }
            return News::Records(records);
        }
        if let Some(end) = state.end.take() {
            return News::End(end);
        }
        state.reader = reader;
        News::None
    }

    /// The reader wants no more. What came before is still there.
    pub(crate) fn cancel(&self, reason: &'static str) {
        let mut state = self.lock();
        state.cancelled.get_or_insert(reason);
        let driver = state.driver.clone();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
