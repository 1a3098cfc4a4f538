//! One stream's log: one side appends to it, and any number of cursors read it.
//!
//! ```text
//! append ─► staged ─► a batch ─► store ─► shown: readers are woken, appends are acknowledged
//! ```
//!
//! Bytes become visible only when the store has them, so all bytes that a reader has seen survive a kill of
//! the process. While one batch is being written, the next one gathers: a single append is written at once,
//! and under load many are written together.

mod cursor;
mod keeper;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

pub(crate) use cursor::{Cursor, CursorRead};
pub(crate) use shared::News;
pub(crate) use writer::Writer;

use crate::meta::Meta;
use crate::offset::Offset;
use crate::store::{StreamNo, Write};

/// Size of the tail that is kept in memory for readers that keep up, in bytes.
const TAIL_BYTES: usize = 256 << 10;
/// The maximum size of a written chunk, in bytes: a reader holds one in memory, however long the append was.
const CHUNK_BYTES: usize = 128 << 10;
/// Number of staged bytes above which the appender waits.
const STAGED_BYTES: usize = 1 << 20;

/// How often per time to live a shared stream is written while it is read.
const OTHERS_ARE_TOLD: u64 = 4;

/// One stream.
pub(crate) struct StreamLog {
    pub(crate) no: StreamNo,
    /// Who reads it live.
    pub(crate) readers: AtomicUsize,
    writer: Arc<Writer>,
    state: Mutex<State>,
}

/// A consistent snapshot of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) end: Offset,
    pub(crate) closed: bool,
}

/// The ticket of a change; [`StreamLog::written`] resolves when the change is written.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    change: u64,
    epoch: Arc<ChangeEpoch>,
}

/// The changes from one loss to the next. The holder of a ticket learns of the loss however late it asks, and
/// whatever was changed and lost since.
#[derive(Debug, Default)]
struct ChangeEpoch {
    lost: OnceLock<Loss>,
}

/// Changes that were made and never written, because the store did not accept them.
#[derive(Debug)]
struct Loss {
    /// The last change that was written.
    after: u64,
    why: Broken,
}

/// The log can no longer be written: the store failed, or the log was removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the stream was removed")]
    Removed,
    #[error(
        "the store is full: its disk has less than store.reserve free, or Redis has reached its maxmemory"
    )]
    Full,
    #[error("the store failed: {0}")]
    Store(String),
    #[error("another relay has written the stream")]
    Taken,
}

#[derive(Debug)]
struct State {
    /// The metadata once everything is written.
    meta: Meta,
    meta_is_dirty: bool,
    /// The request of the answer, until it is written.
    request: Option<Bytes>,
    /// The end of the staged bytes.
    end: u64,
    staged: BytesMut,
    removal: Removal,
    /// The numbers of the last change and of the last written change.
    made: u64,
    written: u64,
    /// Whether the log is in the writer's queue.
    is_queued: bool,
    /// The part that readers see.
    shown: u64,
    shown_closed: bool,
    tail: VecDeque<(u64, Bytes)>,
    tail_bytes: usize,
    broken: Option<Broken>,
    /// The epoch of the current changes; `None` if there are none.
    epoch: Option<Arc<ChangeEpoch>>,
    /// Whether changes are on the way to the store.
    is_under_way: bool,
    /// Whether other relays write it and their writes are being followed.
    is_remote: bool,
    is_followed: bool,
    waiting: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    No,
    /// By this change.
    Asked(u64),
    Written,
}

/// The changes that the writer takes to the store.
struct WritePart {
    chunk: Option<(u64, Bytes)>,
    closed: bool,
    made: u64,
    is_removal: bool,
}

/// The log as a change sees it, under the log's lock.
pub(crate) struct Changing<'a> {
    state: &'a mut State,
    changed: bool,
}

impl Changing<'_> {
    pub(crate) fn meta_mut(&mut self) -> &mut Meta {
        (self.state.meta_is_dirty, self.changed) = (true, true);
        &mut self.state.meta
    }

    /// The future metadata, without a change.
    pub(crate) fn meta(&self) -> &Meta {
        &self.state.meta
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.state.staged.extend_from_slice(bytes);
        self.state.end += bytes.len() as u64;
        self.changed |= !bytes.is_empty();
    }

    pub(crate) fn close(&mut self) {
        self.meta_mut().closed = true;
    }

    pub(crate) fn end(&self) -> Offset {
        self.state.meta.incarnations.offset(self.state.end)
    }
}

impl StreamLog {
    /// A new log. Its metadata is written with the first change, which [`create`](Self::create) makes.
    fn new(no: StreamNo, writer: Arc<Writer>, meta: Meta, end: u64) -> Self {
        let shown_closed = meta.closed;
        let state = State {
            meta,
            meta_is_dirty: false,
            request: None,
            end,
            staged: BytesMut::new(),
            removal: Removal::No,
            made: 0,
            written: 0,
            is_queued: false,
            shown: end,
            shown_closed,
            tail: VecDeque::new(),
            tail_bytes: 0,
            broken: None,
            epoch: None,
            is_under_way: false,
            is_remote: false,
            is_followed: false,
            waiting: Vec::new(),
        };
        Self { no, readers: AtomicUsize::new(0), writer, state: Mutex::new(state) }
    }

    /// A new stream with its first bytes, closed with them if `meta` says so, and with its stored request. It
    /// is written after [`begin`](Self::begin).
    pub(crate) fn create(
        no: StreamNo,
        writer: Arc<Writer>,
        mut meta: Meta,
        bytes: &[u8],
        request: Option<Bytes>,
    ) -> (Arc<Self>, Ticket) {
        let closed = std::mem::take(&mut meta.closed);
        let log = Arc::new(Self::new(no, writer, meta, 0));
        log.state().request = request;
        let mut state = log.state();
        let created = state.stage(|log| {
            log.meta_mut().closed = closed;
            log.append(bytes);
        });
        // A new log is not broken.
        let ticket = created.map_or_else(|_| state.ticket(), |((), ticket)| ticket);
        drop(state);
        (log, ticket)
    }

    /// Queues the initial contents for writing. Do not call it under a lock, because it may write itself.
    pub(crate) fn begin(self: &Arc<Self>) {
        self.queue(self.state());
    }

    /// A stream from the store.
    pub(crate) fn recovered(no: StreamNo, writer: Arc<Writer>, meta: Meta, end: u64) -> Arc<Self> {
        Arc::new(Self::new(no, writer, meta, end))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one atomic change, and queues it for writing.
    pub(crate) fn change<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Changing<'_>) -> T,
    ) -> Result<(T, Ticket), Broken> {
        let mut state = self.state();
        let made = state.made;
        let staged = state.stage(change)?;
        if state.made != made {
            self.queue(state);
        }
        Ok(staged)
    }

    /// The ticket of its creation.
    pub(crate) fn creation(&self) -> Ticket {
        let mut state = self.state();
        // A recovered log was created before.
        Ticket { change: state.made.min(1), ..state.ticket() }
    }

    /// Appends bytes from the upstream. `true` if enough is staged that the caller should wait for
    /// [`room`](Self::poll_room).
    pub(crate) fn append(self: &Arc<Self>, bytes: &[u8]) -> Result<bool, Broken> {
        let mut state = self.state();
        state.stage(|log| log.append(bytes))?;
        let full = state.staged.len() >= STAGED_BYTES;
        self.queue(state);
        Ok(full)
    }

    fn queue(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.is_queued, true) {
            drop(state);
            self.writer.queue(Arc::clone(self));
        }
    }

    /// Ready when there is room for an append.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.staged.len() < STAGED_BYTES || state.broken.is_some() {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// Waits until a change is written.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn written(&self, ticket: Ticket) -> Result<(), Broken> {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            if let Some(Loss { after, why }) = ticket.epoch.lost.get() {
                return Poll::Ready(if ticket.change <= *after { Ok(()) } else { Err(why.clone()) });
            }
            if state.written >= ticket.change {
                return Poll::Ready(Ok(()));
            }
            let is_removal = match state.removal {
                Removal::Asked(change) => change == ticket.change,
                // The bytes that are being written now.
                Removal::Written => true,
                Removal::No => false,
            };
            match &state.broken {
                Some(Broken::Removed) if is_removal => {}
                Some(broken) => return Poll::Ready(Err(broken.clone())),
                None => {}
            }
            state.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// Removes the log with all its bytes. Its readers end, and later changes are refused.
    pub(crate) fn remove(self: &Arc<Self>) -> Ticket {
        let mut state = self.state();
        state.broken = Some(Broken::Removed);
        state.staged = BytesMut::new();
        (state.tail, state.tail_bytes) = (VecDeque::new(), 0);
        state.made += 1;
        let ticket = state.ticket();
        state.removal = Removal::Asked(state.made);
        let wakers = std::mem::take(&mut state.waiting);
        self.queue(state);
        wakers.into_iter().for_each(Waker::wake);
        ticket
    }

    /// The part that readers see.
    pub(crate) fn visible(&self) -> Visible {
        let state = self.state();
        Visible { end: state.meta.incarnations.offset(state.shown), closed: state.shown_closed }
    }

    /// Reads the metadata and the number of bytes.
    pub(crate) fn with_meta<T>(&self, read: impl FnOnce(&Meta, u64) -> T) -> T {
        let state = self.state();
        read(&state.meta, state.shown)
    }

    /// Records a read, for the time to live. It is not written at once, so after a restart the stream may
    /// expire a little early.
    pub(crate) fn touch(self: &Arc<Self>, now_ms: u64) {
        let mut state = self.state();
        let Some(ttl_s) = state.meta.ttl_s else { return };
        let since_ms = now_ms.saturating_sub(state.meta.touched_ms);
        if !state.is_remote {
            state.meta.touched_ms = now_ms;
        } else if since_ms >= ttl_s.saturating_mul(1000 / OTHERS_ARE_TOLD) && state.made == state.written {
            // Otherwise other relays would let it expire.
            if state.stage(|log| log.meta_mut().touched_ms = now_ms).is_ok() {
                self.queue(state);
            }
        }
    }

    /// Why the log cannot be written and read, if so. A log that another relay has overwritten can be used
    /// once that was read.
    pub(crate) fn broken(&self) -> Option<Broken> {
        self.state().broken_for_readers().cloned()
    }

    /// Repairs a log that the store did not accept: resets it to the state in the store, which may include
    /// changes that seemed lost. `false` if the log is not broken.
    pub(crate) fn mend(&self, meta: Meta, end: u64) -> bool {
        let mut state = self.state();
        let why = match &state.broken {
            Some(why @ (Broken::Full | Broken::Store(_))) => why.clone(),
            Some(Broken::Removed | Broken::Taken) | None => return false,
        };
        (state.meta, state.meta_is_dirty) = (meta, false);
        if end != state.shown {
            // Readers find these bytes in the store.
            (state.tail, state.tail_bytes) = (VecDeque::new(), 0);
        }
        (state.staged, state.shown, state.end) = (BytesMut::new(), end, end);
        state.shown_closed = state.meta.closed;
        state.discard(why);
        state.broken = None;
        true
    }

    /// Frees the tail in memory if there are no readers.
    pub(crate) fn forget_tail(&self) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            (state.tail, state.tail_bytes) = (VecDeque::new(), 0);
        }
    }

    /// Takes the changes to write now.
    fn take(&self, writes: &mut Vec<Write>) -> Option<WritePart> {
        let mut state = self.state();
        match state.removal {
            Removal::No => {}
            Removal::Asked(_) => {
                state.removal = Removal::Written;
                state.is_under_way = true;
                writes.push(Write::Remove { stream: self.no });
                return Some(WritePart { chunk: None, closed: false, made: state.made, is_removal: true });
            }
            Removal::Written => return None,
        }
        if state.broken.is_some() {
            return None;
        }
        if std::mem::take(&mut state.meta_is_dirty) {
            state.meta.end = state.meta.closed.then_some(state.end);
            // Metadata is plain data, which can always be written as JSON.
            let meta = serde_json::to_vec(&state.meta).unwrap_or_default().into();
            writes.push(Write::Meta { stream: self.no, meta });
        }
        if let Some(request) = state.request.take() {
            writes.push(Write::Request { stream: self.no, request });
        }
        state.is_under_way = true;
        let bytes = state.staged.split().freeze();
        let start = state.end - bytes.len() as u64;
        let chunk = (!bytes.is_empty()).then_some((start, bytes));
        if let Some((start, bytes)) = &chunk {
            // An append of JSON values is read as a whole, so it is stored as a whole.
            let piece = if state.meta.is_json() { bytes.len() } else { CHUNK_BYTES };
            for at in (0..bytes.len()).step_by(piece) {
                let bytes = bytes.slice(at..bytes.len().min(at + piece));
                writes.push(Write::Chunk { stream: self.no, start: start + at as u64, bytes });
            }
        }
        Some(WritePart { chunk, closed: state.meta.closed, made: state.made, is_removal: false })
    }

    /// Handles the result of a write; `true` if there is more to write.
    fn finish_write(&self, part: WritePart, result: Result<(), Broken>) -> bool {
        let mut state = self.state();
        state.is_under_way = false;
        match result {
            Ok(()) => {
                if let Some((start, bytes)) = part.chunk
                    && state.removal == Removal::No
                {
                    state.shown = start + bytes.len() as u64;
                    state.tail_bytes += bytes.len();
                    state.tail.push_back((start, bytes));
                    state.trim_tail();
                }
                state.shown_closed = part.closed;
                state.written = part.made;
            }
            // Another relay removed it before.
            Err(Broken::Removed) if part.is_removal => state.written = part.made,
            Err(why) if part.is_removal => state.discard(why),
            Err(why) => {
                state.broken.get_or_insert(why);
            }
        }
        let more = state.made > part.made && state.removal != Removal::Written;
        state.is_queued = more;
        let wakers = std::mem::take(&mut state.waiting);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        more
    }

    /// The changes were not taken.
    fn not_taken(&self) {
        self.state().is_queued = false;
    }
}

impl State {
    /// Stages one change. If it changed nothing, its ticket is that of the previous change.
    fn stage<T>(&mut self, change: impl FnOnce(&mut Changing<'_>) -> T) -> Result<(T, Ticket), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let mut changing = Changing { state: self, changed: false };
        let result = change(&mut changing);
        if changing.changed {
            self.made += 1;
        }
        Ok((result, self.ticket()))
    }

    /// The ticket of the last change.
    fn ticket(&mut self) -> Ticket {
        Ticket { change: self.made, epoch: Arc::clone(self.epoch.get_or_insert_default()) }
    }

    /// Marks all unwritten changes as lost.
    fn discard(&mut self, why: Broken) {
        if let Some(epoch) = self.epoch.take() {
            epoch.lost.get_or_init(|| Loss { after: self.written, why });
        }
        self.written = self.made;
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    fn trim_tail(&mut self) {
        while self.tail_bytes > TAIL_BYTES && self.tail.len() > 1 {
            let gone = self.tail.pop_front().map_or(0, |(_, bytes)| bytes.len());
            self.tail_bytes -= gone;
        }
    }
}

impl std::fmt::Debug for StreamLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamLog").field("no", &self.no).finish_non_exhaustive()
    }
}
