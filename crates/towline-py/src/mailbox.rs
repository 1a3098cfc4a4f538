//! The queue between the task that drives an answer and the Python code that reads it.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use towline::event::Records;
use towline::{Error, Outcome};

use crate::hub::Board;
use crate::leaf::Leaf;
use crate::parker::Parker;

/// The maximum size of unread records, in bytes. Above this, the connection is not read until the reader has taken
/// them.
const UNREAD_BYTES: usize = 256 << 10;

/// New records are joined to the last batch if that is smaller than this, in bytes. Joining copies, so a larger batch is
/// left as it is.
const JOINED_BYTES: usize = 4 << 10;

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A stream.
    Stream(Box<Outcome>),
    /// A single answer: its body, or the error.
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

/// The news for a reader.
#[derive(Debug)]
pub(crate) enum News {
    /// All records since the reader last looked.
    Records(Vec<Records>),
    /// The end, which is returned once.
    End(End),
    /// Nothing yet; the reader will be woken once.
    None,
}

#[derive(Debug, Default)]
struct State {
    /// The unread records, in order.
    batches: Vec<Records>,
    end: Option<End>,
    /// The reason for which the reader cancelled the answer.
    cancelled: Option<&'static str>,
    /// Whether the relay continues the cancelled stream.
    detached: bool,
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
    /// The process that created this: in a fork, the lock may still be held by a thread that does not exist there.
    process: u32,
    state: Leaf<State>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { process: std::process::id(), state: Leaf::default() }
    }
}

/// The orders for the driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriverOrders {
    pub(crate) cancelled: Option<&'static str>,
    /// Whether the relay continues the stream.
    pub(crate) detached: bool,
    pub(crate) has_room: bool,
}

impl Mailbox {
    /// The current orders; the driver is woken when they change.
    pub(crate) fn orders(&self, cx: &Context<'_>) -> DriverOrders {
        let waker = cx.waker();
        self.state.with(|state| {
            if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(waker)) {
                state.driver = Some(waker.clone());
            }
            DriverOrders { cancelled: state.cancelled, detached: state.detached, has_room: !state.is_full() }
        })
    }

    /// Delivers records from the driver, and the end if the answer has ended.
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

    /// Takes the news; if there is none, `reader` is registered.
    pub(crate) fn poll(&self, reader: Option<Reader>) -> News {
        let (news, blocked_driver) = self.state.with(|state| {
            if !state.batches.is_empty() {
                let blocked_driver = if state.is_full() { state.driver.clone() } else { None };
                return (News::Records(std::mem::take(&mut state.batches)), blocked_driver);
            }
            if let Some(end) = state.end.take() {
                return (News::End(end), None);
            }
            state.reader = reader;
            (News::None, None)
        });
        if let Some(driver) = blocked_driver {
            driver.wake();
        }
        news
    }

    /// Records the id under which a relay has accepted the stream.
    pub(crate) fn relayed(&self, id: &str) {
        self.state.with(|state| state.relay_id.get_or_insert_with(|| id.to_owned()).len());
    }

    pub(crate) fn relay_id(&self) -> Option<String> {
        self.state.with(|state| state.relay_id.clone())
    }

    /// The end, without the records before it, if it arrives within `time`.
    pub(crate) fn end_within(&self, time: Duration) -> Option<End> {
        let parker = Parker::for_one_wait();
        let until = Instant::now() + time;
        loop {
            match self.poll(Some(Reader::Thread(Arc::clone(&parker)))) {
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

    /// Cancels the answer. Earlier records stay readable. Does nothing in a fork, where nothing drives the answer.
    pub(crate) fn cancel(&self, reason: &'static str) {
        self.end(reason, false);
    }

    /// Like `cancel`, but a stream on a relay continues there.
    pub(crate) fn detach(&self, reason: &'static str) {
        self.end(reason, true);
    }

    fn end(&self, reason: &'static str, detached: bool) {
        if self.process != std::process::id() {
            return;
        }
        let driver = self.state.with(|state| {
            if state.cancelled.is_none() {
                (state.cancelled, state.detached) = (Some(reason), detached);
            }
            state.driver.clone()
        });
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
