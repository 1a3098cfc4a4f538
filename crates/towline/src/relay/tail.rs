//! The bytes of a stream's log, in order and each once, across reconnects.
//!
//! A task fetches the bytes into a bounded queue, so a slow reader never blocks a connection: when the queue
//! is full, the task closes its stream on the connection, and requests the log again from that offset once
//! there is room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use towline_core::error::Error;

use super::pump::Pump;
use super::wire::{Position, StreamId};
use crate::handle::Client;
use crate::transport::{Read, ResponseBody, TransportError};
use crate::via::RelayConfig;

/// A reader of a log. Dropping it does not affect the log.
#[derive(Debug)]
pub(crate) struct Tail {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
    /// How many reconnects were reported to the reader.
    reported_reconnects: u32,
    /// Whether the reader knows that the relay is out of reach.
    away: bool,
}

/// The result of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tailed {
    /// This many bytes were appended; not 0.
    Bytes(usize),
    /// The connection is lost, and the client reconnects.
    Lost,
    /// The connection is back, and the stream resumes where it was.
    Regained,
    /// The log is closed and was read completely.
    End,
}

/// The queue between the task and the reader.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is room again.
    room: Notify,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    reader: Option<Waker>,
    lost: bool,
    reconnects: u32,
    end: Option<Result<(), Error>>,
}

/// Whether a reader waits for more at the current end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// It waits until the log is closed.
    Live,
    /// It ends at the current end of the log.
    Snapshot,
}

impl Tail {
    /// Reads the log from `at` on. Must be called inside a runtime.
    pub(super) fn start(
        client: &Client,
        config: &RelayConfig,
        id: StreamId,
        at: Position,
        follow: Follow,
    ) -> Self {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            room: Notify::new(),
            limit_bytes: config.queue_bytes.max(1),
        });
        let pump = Pump::new(client.clone(), config.reconnect, id, at, follow, Arc::clone(&queue));
        #[expect(
            clippy::disallowed_methods,
            reason = "a reader that does not read must not hold up its connection; the tail owns the task"
        )]
        let task = tokio::spawn(pump.run());
        Self { queue, task, reported_reconnects: 0, away: false }
    }

    /// Appends the bytes that have arrived to `out`; pending if none have.
    ///
    /// # Errors
    /// The relay no longer has the stream or was out of reach for too long. All bytes that arrived were
    /// returned before.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Tailed, Error>> {
        let mut state = self.queue.lock();
        // This comes before the bytes, because the bytes may end the stream.
        if state.reconnects != self.reported_reconnects {
            (self.reported_reconnects, self.away) = (self.reported_reconnects + 1, false);
            return Poll::Ready(Ok(Tailed::Regained));
        }
        let count = state.bytes.len();
        if count > 0 {
            if out.is_empty() {
                std::mem::swap(out, &mut state.bytes);
            } else {
                out.append(&mut state.bytes);
            }
            drop(state);
            if count > self.queue.limit_bytes {
                self.queue.room.notify_one();
            }
            return Poll::Ready(Ok(Tailed::Bytes(count)));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(end.clone().map(|()| Tailed::End));
        }
        if state.lost && !self.away {
            self.away = true;
            return Poll::Ready(Ok(Tailed::Lost));
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            empty @ None => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the reader.
    fn update_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        result
    }

    /// Reads from a connection; returns how many bytes arrived, also before an error.
    pub(super) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        body: &mut ResponseBody,
    ) -> Poll<(usize, Result<Read, TransportError>)> {
        let mut state = self.lock();
        let before = state.bytes.len();
        let polled = body.poll_read(cx, &mut state.bytes);
        let count = state.bytes.len() - before;
        let reader = if count > 0 { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        polled.map(|read| (count, read))
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().bytes.len() > self.limit_bytes
    }

    /// Waits until the reader has taken the contents of the queue.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn until_read(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }

    pub(super) fn lost(&self) {
        self.update_state(|state| state.lost = true);
    }

    pub(super) fn connected(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.lost) {
            drop(state);
            self.update_state(|state| state.reconnects += 1);
        }
    }

    pub(super) fn end(&self, end: Result<(), Error>) {
        self.update_state(|state| state.end = Some(end));
    }
}
