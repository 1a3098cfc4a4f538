//! A reader of a log: a position, from which it returns the following bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::{Broken, State, StreamLog};
use crate::store::{Chunk, StoreError};

/// Maximum number of bytes that a reader gets at once.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// Maximum number of bytes that a reader that is behind reads from the store at once.
const STORE_READ_BYTES: usize = 256 << 10;

/// The result of a read.
#[derive(Debug)]
pub(crate) enum CursorRead {
    /// The bytes from its position on: all that exist, up to [`READ_BYTES`]; never empty.
    Bytes(Bytes),
    /// Nothing more will come.
    Closed,
    /// Nothing more can be read.
    Broken(Broken),
}

/// A reader. It is in no queue: a slow one costs nothing, and reads from the store the bytes that the tail in
/// memory no longer has.
#[derive(Debug)]
pub(crate) struct Cursor {
    log: Arc<StreamLog>,
    position: u64,
    /// Whether it returns only whole appends.
    whole_appends: bool,
    loading: Option<JoinHandle<Result<Vec<Chunk>, StoreError>>>,
    loaded: std::collections::VecDeque<Bytes>,
}

impl Cursor {
    pub(crate) fn new(log: Arc<StreamLog>, position: u64) -> Self {
        Self { log, position, whole_appends: false, loading: None, loaded: std::collections::VecDeque::new() }
    }

    /// A cursor that returns only whole appends, however long they are. It must start at the beginning of
    /// one.
    pub(crate) fn whole(log: Arc<StreamLog>, position: u64) -> Self {
        Self { whole_appends: true, ..Self::new(log, position) }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes; pending at the end of a log that is not closed.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<CursorRead> {
        loop {
            if let Some(bytes) = self.take_loaded() {
                self.position += bytes.len() as u64;
                return Poll::Ready(CursorRead::Bytes(bytes));
            }
            if let Some(loading) = &mut self.loading {
                let loaded = ready!(Pin::new(loading).poll(cx));
                self.loading = None;
                let why = match loaded {
                    Ok(Ok(chunks)) => {
                        if self.push_chunks(chunks) {
                            continue;
                        }
                        // It was removed meanwhile.
                        return Poll::Ready(CursorRead::Broken(Broken::Removed));
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return Poll::Ready(CursorRead::Broken(Broken::Store(why)));
            }
            let mut state = self.log.state();
            if self.position < state.shown {
                if let Some(bytes) = state.in_tail(self.position, self.whole_appends) {
                    self.position += bytes.len() as u64;
                    return Poll::Ready(CursorRead::Bytes(bytes));
                }
                if let Some(broken) = state.broken_for_readers() {
                    return Poll::Ready(CursorRead::Broken(broken.clone()));
                }
                drop(state);
                self.load();
                continue;
            }
            if let Some(broken) = state.broken_for_readers() {
                return Poll::Ready(CursorRead::Broken(broken.clone()));
            }
            if state.shown_closed {
                return Poll::Ready(CursorRead::Closed);
            }
            if state.is_remote && !std::mem::replace(&mut state.is_followed, true) {
                self.log.writer.store().follow(self.log.no);
            }
            state.wait(cx);
            return Poll::Pending;
        }
    }

    /// Like [`poll_read`](Self::poll_read).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn read(&mut self) -> CursorRead {
        std::future::poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Whether it is at the end, and whether nothing will follow.
    pub(crate) fn is_at_end(&self) -> (bool, bool) {
        let state = self.log.state();
        let at_end = self.position >= state.shown;
        (at_end, at_end && state.shown_closed)
    }

    /// How far it is behind, in bytes.
    pub(crate) fn lag(&self) -> u64 {
        self.log.state().shown.saturating_sub(self.position)
    }

    fn load(&mut self) {
        let (store, no, from) = (Arc::clone(self.log.writer.store()), self.log.no, self.position);
        if store.is_memory()
            && let Ok(chunks) = store.read(no, from, STORE_READ_BYTES)
            && self.push_chunks(chunks)
        {
            return;
        }
        self.loading = Some(tokio::task::spawn_blocking(move || store.read(no, from, STORE_READ_BYTES)));
    }

    /// Keeps the bytes from the position on; `false` if there are none.
    fn push_chunks(&mut self, chunks: Vec<Chunk>) -> bool {
        let shown = self.log.state().shown;
        for Chunk { start, mut bytes } in chunks {
            let skip = usize::try_from(self.position.saturating_sub(start)).unwrap_or(usize::MAX);
            // Bytes that are written but not visible yet follow later.
            let length = usize::try_from(shown.saturating_sub(start)).unwrap_or(usize::MAX);
            bytes.truncate(length);
            if skip < bytes.len() {
                self.loaded.push_back(bytes.split_off(skip));
            }
        }
        !self.loaded.is_empty()
    }

    fn take_loaded(&mut self) -> Option<Bytes> {
        let first = self.loaded.front_mut()?;
        if !self.whole_appends && first.len() > READ_BYTES {
            return Some(first.split_to(READ_BYTES));
        }
        self.loaded.pop_front()
    }
}

impl State {
    /// The bytes in the tail from `position` on; `None` if the tail no longer reaches back that far.
    fn in_tail(&self, position: u64, whole: bool) -> Option<Bytes> {
        let (start, _) = self.tail.front()?;
        if position < *start {
            return None;
        }
        // A reader that keeps up reads the last chunk.
        let at = match self.tail.back() {
            Some((start, _)) if *start <= position => self.tail.len() - 1,
            Some(_) | None => {
                self.tail.partition_point(|(start, bytes)| start + bytes.len() as u64 <= position)
            }
        };
        let (start, first) = self.tail.get(at)?;
        let skip = usize::try_from(position - start).ok()?;
        let mut end = first.len();
        if !whole {
            end = end.min(skip + READ_BYTES);
        }
        let first = first.slice(skip..end);
        let room = READ_BYTES.saturating_sub(first.len());
        let more = self.tail.iter().skip(at + 1).map(|(_, bytes)| bytes);
        let mut merged: Option<BytesMut> = None;
        let mut left = room;
        for bytes in more {
            let take = if whole { bytes.len() } else { bytes.len().min(left) };
            if take == 0 || take > left {
                break;
            }
            let merged = merged.get_or_insert_with(|| {
                let mut merged = BytesMut::with_capacity(READ_BYTES.min(self.tail_bytes));
                merged.extend_from_slice(&first);
                merged
            });
            merged.extend_from_slice(&bytes[..take]);
            left -= take;
        }
        Some(merged.map_or(first, BytesMut::freeze))
    }
}
