//! Stores for logs.

mod backup;
mod check;
mod disk;
mod memory;
mod missing;
pub(crate) mod redis;
mod salvage;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use check::{Checked, check};
pub(crate) use disk::DiskStore;
pub(crate) use memory::MemoryStore;
pub(crate) use redis::RedisStore;
pub use redis::{NotRedis, RedisAddress, RedisError};

/// The number of a stream in its store.
pub(crate) type StreamNo = u64;

/// One change of a store.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// The stream's metadata, which replaces the earlier one.
    Meta {
        /// Which stream.
        stream: StreamNo,
        /// The metadata; opaque to the store.
        meta: Bytes,
    },
    /// Bytes at the end of the stream's log.
    Chunk {
        /// Which stream.
        stream: StreamNo,
        /// Position of the first byte.
        start: u64,
        /// The bytes; never empty.
        bytes: Bytes,
    },
    /// The request of the stream.
    Request {
        /// Which stream.
        stream: StreamNo,
        /// As it came.
        request: Bytes,
    },
    /// Removes the stream and all its bytes.
    Remove {
        /// Which stream.
        stream: StreamNo,
    },
}

impl Write {
    pub(crate) fn stream(&self) -> StreamNo {
        match self {
            Self::Meta { stream, .. }
            | Self::Chunk { stream, .. }
            | Self::Request { stream, .. }
            | Self::Remove { stream } => *stream,
        }
    }
}

/// A stream whose changes a shared store refused; it made those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) stream: StreamNo,
    pub(crate) why: NotWritten,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// Another relay has written the stream.
    Taken,
    /// The stream was removed.
    Gone,
    /// The stream belongs to this relay, but its log has another end: a part was lost with a server, or a
    /// write succeeded that seemed to fail. The change can be repeated from there.
    Elsewhere { end: u64 },
}

/// Bytes of a log and their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Position of the first byte.
    pub(crate) start: u64,
    /// The bytes; never empty.
    pub(crate) bytes: Bytes,
}

/// The contents of a store when it was opened.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The incarnation for further writes: larger than any before.
    pub(crate) incarnation: u64,
    /// A number that is larger than that of every stream.
    pub(crate) next: StreamNo,
    /// Every stream.
    pub(crate) streams: Vec<Recovered>,
}

/// An existing stream.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Its number.
    pub(crate) stream: StreamNo,
    /// Its last written metadata.
    pub(crate) meta: Bytes,
    /// The length of its log, in bytes.
    pub(crate) end: u64,
}

/// Whether a store accepts writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It does.
    Enough,
    /// It accepts only removals.
    Full,
    /// It failed, and must be repaired with [`mend`](LogStore::mend).
    Failed,
}

fn user(process: Option<u32>) -> String {
    process.map_or_else(|| "a relay".to_owned(), |process| format!("the relay of process {process}"))
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its file system has too little free space.
    #[error("the disk is full")]
    Full,
    /// It failed before.
    #[error("the store failed and is not repaired yet")]
    Failed,
    /// A relay uses it.
    #[error("{} uses the store", user(*.process))]
    InUse {
        /// Its process id, if it was recorded.
        process: Option<u32>,
    },
    /// An error of the disk or its contents.
    #[error(transparent)]
    Disk(#[from] fjall::Error),
    /// The folder cannot be created or checked.
    #[error(transparent)]
    Folder(#[from] std::io::Error),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The folder holds something else.
    #[error("the store at {path} has the format {found}, and this version knows only {}", disk::FORMAT)]
    Format {
        /// Where.
        path: String,
        /// The stored format.
        found: String,
    },
}

/// The result of a commit, once it is known.
pub(crate) type Committing<'a> = Pin<Box<dyn Future<Output = Result<Vec<Refused>, StoreError>> + Send + 'a>>;

/// Stores logs. All methods may block, so async tasks call them only on a separate thread, except for stores
/// whose [`is_memory`](Self::is_memory) says that none blocks.
pub(crate) trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// The existing contents. Called once, before any other method.
    ///
    /// # Errors
    /// If the contents cannot be read.
    fn recover(&self) -> Result<Recovery, StoreError>;

    /// Makes all of the changes or none. When it returns, they survive the end of the process; with
    /// `durable`, also a machine crash. A store that other relays write too makes all changes of a stream or
    /// none, and returns the streams that it refused.
    ///
    /// # Errors
    /// If they could not be written. [`room`](Self::room) then says whether the store is full or has failed.
    fn commit(&self, writes: Vec<Write>, durable: bool) -> Result<Vec<Refused>, StoreError>;

    /// As [`commit`](Self::commit), for a store that other relays write too: it does not block.
    fn commit_async(&self, writes: Vec<Write>) -> Committing<'_> {
        Box::pin(std::future::ready(self.commit(writes, false)))
    }

    /// The chunks from the one that contains the byte at `from` on: at least one if there is any, until
    /// `max_bytes` are reached.
    ///
    /// # Errors
    /// When the disk fails.
    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError>;

    /// Makes all committed data survive a machine crash.
    ///
    /// # Errors
    /// When the disk fails.
    fn flush(&self) -> Result<(), StoreError>;

    /// Frees the space of removed data, if [`commit`](Self::commit) has deferred that.
    ///
    /// # Errors
    /// When the disk fails.
    fn clear(&self) -> Result<(), StoreError>;

    /// The last call: makes all committed data survive a machine crash.
    ///
    /// # Errors
    /// When the disk fails.
    fn close(&self) -> Result<(), StoreError>;

    /// The actual state of a stream, also if its last write seemed to fail; `None` if there is none. A store
    /// that other relays write too treats the next write as based on this state.
    ///
    /// # Errors
    /// When the disk fails.
    fn find(&self, stream: StreamNo) -> Result<Option<Recovered>, StoreError>;

    /// The stored request of a stream; `None` if there is none.
    ///
    /// # Errors
    /// When the disk fails.
    fn request(&self, stream: StreamNo) -> Result<Option<Bytes>, StoreError>;

    /// Whether it accepts writes. Cheap.
    fn room(&self) -> Room;

    /// Repairs a failed store, with all committed data.
    ///
    /// # Errors
    /// If that is not possible yet.
    fn mend(&self) -> Result<(), StoreError>;

    /// Its size, in bytes.
    fn size_bytes(&self) -> u64;

    /// Copies a consistent snapshot into a new store in `folder`. Returns the number of streams. Blocks.
    ///
    /// # Errors
    /// If it is not a store on disk, cannot be read, or the copy cannot be written.
    fn back_up(&self, _folder: &std::path::Path) -> Result<u64, StoreError> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "the relay has no store on disk").into())
    }

    /// Whether no call ever blocks, and nothing outlives the process.
    fn is_memory(&self) -> bool;

    /// Whether other relays read and write it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Records that a reader waits for another relay's writes to this stream.
    fn follow(&self, _stream: StreamNo) {}
}
