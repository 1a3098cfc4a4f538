//! Logs that other relays write too, and logs that they have taken over.

use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::{Broken, Removal, State, StreamLog, WritePart};
use crate::meta::Meta;

/// A write of another relay.
#[derive(Debug)]
pub(crate) struct News {
    /// The metadata, if known.
    pub(crate) meta: Option<Meta>,
    pub(crate) end: u64,
    /// The last bytes before the end, if known.
    pub(crate) bytes: Option<Bytes>,
}

impl StreamLog {
    /// Whether another relay has overwritten it and that was not read yet.
    pub(crate) fn is_overwritten(&self) -> bool {
        self.state().broken == Some(Broken::Taken)
    }

    /// Marks it as written by other relays from now on.
    pub(crate) fn is_written_elsewhere(&self) {
        let mut state = self.state();
        state.is_remote = true;
        state.is_followed = false;
    }

    /// Whether a reader still follows the writes of other relays; if not, the next reader starts following
    /// again.
    pub(crate) fn stays_followed(&self) -> bool {
        let mut state = self.state();
        let is_read = !state.waiting.is_empty() && !state.shown_closed && state.broken.is_none();
        state.is_followed = is_read;
        is_read
    }

    /// Makes another relay's write visible to readers; `false`, without a change, while this relay has
    /// something to write.
    pub(crate) fn feed(&self, news: News) -> bool {
        let mut state = self.state();
        if state.made > state.written || state.broken.is_some() {
            return false;
        }
        let News { meta, end, bytes } = news;
        if end > state.shown {
            match bytes.filter(|bytes| end - bytes.len() as u64 == state.shown) {
                Some(bytes) => {
                    state.tail_bytes += bytes.len();
                    let start = state.shown;
                    state.tail.push_back((start, bytes));
                    state.trim_tail();
                }
                // Readers find them in the store.
                None => (state.tail, state.tail_bytes) = (std::collections::VecDeque::new(), 0),
            }
            (state.shown, state.end) = (end, end);
        }
        if let Some(meta) = meta {
            state.shown_closed = meta.closed && end == state.shown;
            state.meta = meta;
        }
        wake(state);
        true
    }

    /// Waits until no change is on the way to the store.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn wait_idle(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            if !state.is_under_way {
                return Poll::Ready(());
            }
            state.wait(cx);
            Poll::Pending
        })
        .await;
    }

    /// Resets an overwritten log to the state in the store. Unwritten changes are lost. `false`, without a
    /// change, if it was not overwritten or a change is on the way to the store.
    pub(crate) fn reload(&self, meta: Meta, end: u64) -> bool {
        let mut state = self.state();
        if state.broken != Some(Broken::Taken) || state.is_under_way {
            return false;
        }
        state.shown_closed = meta.closed;
        (state.meta, state.meta_is_dirty) = (meta, false);
        (state.staged, state.shown, state.end) = (BytesMut::new(), end, end);
        (state.tail, state.tail_bytes) = (std::collections::VecDeque::new(), 0);
        state.discard(Broken::Taken);
        state.broken = None;
        wake(state);
        true
    }

    /// Fences a log that another relay has taken over: no more writes, and readers are disconnected.
    pub(crate) fn fence(&self) {
        let mut state = self.state();
        state.broken.get_or_insert(Broken::Taken);
        wake(state);
    }

    /// Its stream was already removed from the store.
    pub(crate) fn is_gone(&self) {
        let mut state = self.state();
        let why = state.broken.replace(Broken::Removed).unwrap_or(Broken::Removed);
        state.discard(why);
        state.removal = Removal::Written;
        wake(state);
    }

    /// Stages a failed write again, because the store's log ends at `end`: the missing bytes are written
    /// again, as far as the tail in memory has them. `true` if there is something to write.
    pub(super) fn write_again(&self, part: WritePart, end: u64) -> bool {
        let mut state = self.state();
        state.is_under_way = false;
        let chunk = part.chunk.map(|(_, bytes)| bytes).unwrap_or_default();
        let start = state.end - (state.staged.len() + chunk.len()) as u64;
        let mut all = BytesMut::new();
        let mut first = start;
        for (at, bytes) in &state.tail {
            first = first.min(*at);
            all.extend_from_slice(bytes);
        }
        all.extend_from_slice(&chunk);
        let staged = state.staged.split();
        all.extend_from_slice(&staged);
        if end < first || end > state.end {
            state.broken.get_or_insert(Broken::Taken);
            state.is_queued = false;
            wake(state);
            return false;
        }
        let _there = all.split_to(usize::try_from(end - first).unwrap_or(usize::MAX).min(all.len()));
        state.staged = all;
        // Bytes that are written again are already in the tail, and enter it again.
        while let Some((at, mut bytes)) = state.tail.pop_back() {
            state.tail_bytes -= bytes.len();
            bytes.truncate(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
            if !bytes.is_empty() {
                state.tail_bytes += bytes.len();
                state.tail.push_back((at, bytes));
                break;
            }
        }
        state.meta_is_dirty = true;
        state.is_queued = true;
        true
    }
}

impl State {
    /// The error for readers. Readers of an overwritten log wait, because the bytes that they have read are
    /// still valid. Readers of an answer that was taken from this relay are disconnected.
    pub(super) fn broken_for_readers(&self) -> Option<&Broken> {
        self.broken.as_ref().filter(|why| !(self.is_remote && **why == Broken::Taken))
    }
}

fn wake(mut state: std::sync::MutexGuard<'_, State>) {
    let wakers = std::mem::take(&mut state.waiting);
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}
