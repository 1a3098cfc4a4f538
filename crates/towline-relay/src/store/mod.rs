//! Where logs are kept.

mod backup;
mod check;
mod disk;
mod memory;
mod missing;
pub(crate) mod redis;
mod salvage;

use std::fmt;

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
    /// The stream's description, in place of what was there.
    Meta {
        /// Which stream.
        stream: StreamNo,
        /// The description; the store does not look into it.
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
    /// The request whose answer the stream is.
    Request {
        /// Which stream.
        stream: StreamNo,
        /// As it came.
        request: Bytes,
    },
    /// The stream and all its bytes go.
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

/// A stream whose changes a shared store did not make; those of the others it did.
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
    /// The stream is this relay's, but its log ends elsewhere: a part was lost with a server, or was written when that seemed to
    /// fail. The change can be made again from there.
    Elsewhere { end: u64 },
}

/// Bytes of a log and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Position of the first byte.
    pub(crate) start: u64,
    /// The bytes; never empty.
    pub(crate) bytes: Bytes,
}

/// What a store held when it was opened.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The incarnation in which logs are written from now on: larger than any before.
    pub(crate) incarnation: u64,
    /// A number that no stream has, nor any larger.
    pub(crate) next: StreamNo,
    /// Every stream.
    pub(crate) streams: Vec<Recovered>,
}

/// A stream that was there.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Its number.
    pub(crate) stream: StreamNo,
    /// Its description as it was last written.
    pub(crate) meta: Bytes,
    /// How many bytes its log has.
    pub(crate) end: u64,
}

/// Whether a store takes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It does.
    Enough,
    /// It takes removals only.
    Full,
    /// It failed, and is to be [mended](LogStore::mend).
    Failed,
}

fn user(process: Option<u32>) -> String {
    process.map_or_else(|| "a relay".to_owned(), |process| format!("the relay of process {process}"))
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too little is free on its file system.
    #[error("the disk is full")]
    Full,
    /// It failed before.
    #[error("the store failed and is not mended yet")]
    Failed,
    /// A relay uses it.
    #[error("{} uses the store", user(*.process))]
    InUse {
        /// Its process, where it wrote that down.
        process: Option<u32>,
    },
    /// The disk or what is on it.
    #[error(transparent)]
    Disk(#[from] fjall::Error),
    /// The folder cannot be made or checked.
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
        /// What it says.
        found: String,
    },
}

/// Keeps logs. All calls may block; none is made from an async task without a thread of its own, but for stores whose
/// [`is_memory`](Self::is_memory) says that none blocks.
pub(crate) trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// What is there. Called once, before anything else.
    ///
    /// # Errors
    /// When what is there cannot be read.
    fn recover(&self) -> Result<Recovery, StoreError>;

    /// Makes all of the changes or none. When it returns they survive the end of the process; with `durable` also that of the
    /// machine. A store that other relays write too makes all changes of a stream or none, and says which it did not make.
    ///
    /// # Errors
    /// When they could not be written. [`room`](Self::room) then says whether the store is full or has failed.
    fn commit(&self, writes: Vec<Write>, durable: bool) -> Result<Vec<Refused>, StoreError>;

    /// The chunks from the one that holds the byte at `from` on: at least one where there is any, and no more once
    /// `max_bytes` are together.
    ///
    /// # Errors
    /// When the disk fails.
    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError>;

    /// Makes all that was committed survive the end of the machine.
    ///
    /// # Errors
    /// When the disk fails.
    fn flush(&self) -> Result<(), StoreError>;

    /// Gives back the room of what was removed, where [`commit`](Self::commit) has left that for later.
    ///
    /// # Errors
    /// When the disk fails.
    fn clear(&self) -> Result<(), StoreError>;

    /// The last call, after what was committed: makes it survive the end of the machine.
    ///
    /// # Errors
    /// When the disk fails.
    fn close(&self) -> Result<(), StoreError>;

    /// A stream as it is, also where what was written last seemed to fail; `None` where there is none. A store that other relays
    /// write too takes what is written next as built upon that.
    ///
    /// # Errors
    /// When the disk fails.
    fn find(&self, stream: StreamNo) -> Result<Option<Recovered>, StoreError>;

    /// The request that is kept with a stream; `None` where none is.
    ///
    /// # Errors
    /// When the disk fails.
    fn request(&self, stream: StreamNo) -> Result<Option<Bytes>, StoreError>;

    /// Whether it takes what is written. Cheap.
    fn room(&self) -> Room;

    /// Makes a store that failed usable again, with all that was committed.
    ///
    /// # Errors
    /// When that is not possible yet.
    fn mend(&self) -> Result<(), StoreError>;

    /// How much room it takes, in bytes.
    fn size_bytes(&self) -> u64;

    /// Copies what is there at this moment into a store of its own in `folder`. Gives how many streams that are. Blocks.
    ///
    /// # Errors
    /// When it is no store on disk, cannot be read, or the copy cannot be written.
    fn back_up(&self, _folder: &std::path::Path) -> Result<u64, StoreError> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "the relay has no store on disk").into())
    }

    /// Whether no call ever blocks, and nothing outlives the process.
    fn is_memory(&self) -> bool;

    /// Whether other relays read and write it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Somebody waits for what another relay writes to this stream.
    fn follow(&self, _stream: StreamNo) {}
}
