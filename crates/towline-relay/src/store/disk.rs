//! Logs on disk, in an LSM tree (fjall).
//!
//! Five key spaces: `about` (format, incarnation), `meta` (stream number → metadata), `request` (stream
//! number → its request), `data` (stream number and position → bytes), `removed` (numbers of streams whose
//! bytes are still to be deleted).

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Chunk, LogStore, Recovered, Recovery, Refused, Room, StoreError, StreamNo, Write};

/// The format that this version writes. Format 1 had no requests, and is otherwise the same.
pub(super) const FORMAT: &str = "2";
/// The formats that are upgraded in place, when the store is opened.
const UPGRADED: [&str; 1] = ["1"];

/// The whole journal is read at the start, so it stays small. 64 MiB is fjall's minimum.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Each time a memtable is full, the database syncs its journal, and commits wait for that.
const MEMTABLE_BYTES: u64 = 32 << 20;
const CACHE_BYTES: u64 = 32 << 20;
/// Number of entries removed in one batch; commits wait for it.
const REMOVED_AT_ONCE: usize = 500;
/// Number of incarnations that one process may use: one for each recreated stream.
const INCARNATIONS: u64 = 1_000_000_000;
/// The file with the id of the process that uses the store, or used it last.
const PROCESS: &str = "process";
/// The extension of the database's journals (fjall 3, `journal/writer.rs`).
pub(super) const JOURNAL_EXTENSION: &str = "jnl";

/// Logs on disk.
pub(crate) struct DiskStore {
    folder: PathBuf,
    /// Bytes of the file system that are left free: the database writes its tables there, and removals need
    /// room first.
    reserve: u64,
    /// `None` if it could not be reopened after a failure.
    open: RwLock<Option<Open>>,
    has_failed: AtomicBool,
    /// Streams whose bytes are still to be deleted.
    removed: Mutex<Vec<StreamNo>>,
}

/// The database.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) db: Database,
    pub(super) about: Keyspace,
    pub(super) meta: Keyspace,
    pub(super) request: Keyspace,
    pub(super) data: Keyspace,
    removed: Keyspace,
}

/// The part of the metadata that a start reads.
#[derive(serde::Deserialize)]
struct Described {
    end: Option<u64>,
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore").finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Opens the store in `folder`, or creates it, readable only by its owner. Only one process can use it at
    /// a time.
    ///
    /// # Errors
    /// If the folder is unusable, another process uses it, or another version wrote it.
    pub(crate) fn open(folder: &Path, reserve: u64) -> Result<Self, StoreError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            reserve,
            open: RwLock::new(Some(Open::at(folder)?)),
            has_failed: AtomicBool::new(false),
            removed: Mutex::default(),
        })
    }

    /// Runs an operation on the database.
    fn with<T>(&self, act: impl FnOnce(&Open) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        act(open.as_ref().ok_or(StoreError::Failed)?)
    }

    fn free_bytes(&self) -> u64 {
        // If the file system does not report its free space, assume that there is room: a write will fail
        // otherwise.
        rustix::fs::statvfs(&self.folder)
            .map_or(u64::MAX, |about| about.f_bavail.saturating_mul(about.f_frsize))
    }

    /// Syncs the journals through its own descriptors, because the database's own sync blocks every commit
    /// until the disk is done. Returns their number.
    pub(crate) fn sync_journals(&self) -> Result<usize, StoreError> {
        let mut journals = 0;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != JOURNAL_EXTENSION) {
                continue;
            }
            match fs::File::open(&path) {
                Ok(journal) => journal.sync_data()?,
                // Its contents are in tables by now, which were synced before.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            journals += 1;
        }
        Ok(journals)
    }
}

/// How far the bytes of a stream reach without a gap, and the problem there if it is not the end.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) end: u64,
    pub(super) damage: Option<String>,
}

impl Open {
    pub(super) fn at(folder: &Path) -> Result<Self, StoreError> {
        let db = Database::builder(folder)
            .max_journaling_size(JOURNAL_BYTES)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .open()
            .map_err(|error| {
                if !matches!(error, fjall::Error::Locked) {
                    return error.into();
                }
                let process = fs::read_to_string(folder.join(PROCESS)).ok();
                StoreError::InUse { process: process.and_then(|process| process.parse().ok()) }
            })?;
        // For processes that find the store locked; without it, their error says less.
        drop(fs::write(folder.join(PROCESS), std::process::id().to_string()));
        let keyspace =
            |name| db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES));
        let about = keyspace("about")?;
        match about.get("format")? {
            None => about.insert("format", FORMAT)?,
            Some(format) if &*format == FORMAT.as_bytes() => {}
            Some(format) if UPGRADED.iter().any(|known| &*format == known.as_bytes()) => {
                about.insert("format", FORMAT)?;
            }
            Some(format) => {
                let found = String::from_utf8_lossy(&format).into_owned();
                return Err(StoreError::Format { path: folder.display().to_string(), found });
            }
        }
        let (meta, request, data) = (keyspace("meta")?, keyspace("request")?, keyspace("data")?);
        let removed = keyspace("removed")?;
        Ok(Self { db, about, meta, request, data, removed })
    }

    pub(super) fn keyspaces(&self) -> [&Keyspace; 5] {
        [&self.about, &self.meta, &self.request, &self.data, &self.removed]
    }

    /// Every stream with its metadata.
    pub(super) fn streams(&self) -> impl Iterator<Item = Result<(StreamNo, Vec<u8>), StoreError>> {
        self.meta.iter().map(|entry| {
            let (key, meta) = entry.into_inner()?;
            Ok((number(&key), meta.to_vec()))
        })
    }

    /// Reads all bytes of a stream.
    pub(super) fn chunks(&self, stream: StreamNo) -> Chunks {
        let mut end = 0;
        for entry in self.data.prefix(stream.to_be_bytes()) {
            let (key, bytes) = match entry.into_inner() {
                Ok(entry) => entry,
                Err(error) => {
                    return Chunks { end, damage: Some(format!("what follows cannot be read: {error}")) };
                }
            };
            let start = position(&key);
            if start != end {
                return Chunks { end, damage: Some(format!("the bytes from {end} to {start} are missing")) };
            }
            end += bytes.len() as u64;
        }
        Chunks { end, damage: None }
    }

    /// Truncates a stream at a position, and rewrites its metadata.
    pub(super) fn cut(&self, stream: StreamNo, end: u64, meta: &[u8]) -> Result<(), StoreError> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.meta, stream.to_be_bytes(), meta);
        for entry in self.data.range(key(stream, end)..=key(stream, u64::MAX)) {
            batch.remove(&self.data, entry.key()?);
        }
        Ok(batch.commit()?)
    }

    /// Removes a stream.
    pub(super) fn remove(&self, stream: StreamNo) -> Result<(), StoreError> {
        self.commit(vec![Write::Remove { stream }], true)?;
        self.remove_data(stream)
    }

    fn end(&self, stream: StreamNo) -> Result<u64, StoreError> {
        let Some(last) = self.data.prefix(stream.to_be_bytes()).next_back() else { return Ok(0) };
        let (key, bytes) = last.into_inner()?;
        Ok(position(&key) + bytes.len() as u64)
    }

    /// Removes the bytes of streams whose removal was interrupted. An earlier version did not record them, so
    /// all bytes are scanned once.
    fn remove_the_rest(&self, known: &HashSet<StreamNo>) -> Result<(), StoreError> {
        if self.about.get("removals are noted")?.is_none() {
            self.remove_unknown(known)?;
            self.about.insert("removals are noted", "")?;
        }
        for entry in self.removed.iter() {
            self.remove_data(number(&entry.key()?))?;
        }
        Ok(())
    }

    fn remove_unknown(&self, known: &HashSet<StreamNo>) -> Result<(), StoreError> {
        let mut from = 0;
        while let Some(entry) = self.data.range(key(from, 0)..).next() {
            let stream = entry.key()?.get(..8).map_or(0, number);
            if !known.contains(&stream) {
                self.remove_data(stream)?;
            }
            let Some(next) = stream.checked_add(1) else { break };
            from = next;
        }
        Ok(())
    }

    /// Removes the bytes of a stream; the batch has already removed its metadata.
    fn remove_data(&self, stream: StreamNo) -> Result<(), StoreError> {
        loop {
            let mut batch = self.db.batch();
            for entry in self.data.prefix(stream.to_be_bytes()).take(REMOVED_AT_ONCE) {
                batch.remove(&self.data, entry.key()?);
            }
            if batch.is_empty() {
                return Ok(self.removed.remove(stream.to_be_bytes())?);
            }
            batch.commit()?;
        }
    }

    fn recover(&self) -> Result<Recovery, StoreError> {
        let incarnation = self.about.get("incarnation")?.map_or(1, |last| number(&last) + INCARNATIONS);
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.about, "incarnation", incarnation.to_be_bytes());
        batch.commit()?;
        let mut streams = Vec::new();
        for entry in self.meta.iter() {
            let (key, meta) = entry.into_inner()?;
            let stream = number(&key);
            // Searching for an end costs far more than everything else.
            let described: Option<Described> = serde_json::from_slice(&meta).ok();
            let end = match described.and_then(|described| described.end) {
                Some(end) => end,
                None => self.end(stream)?,
            };
            streams.push(Recovered { stream, meta: Bytes::copy_from_slice(&meta), end });
        }
        let known: HashSet<StreamNo> = streams.iter().map(|found| found.stream).collect();
        self.remove_the_rest(&known)?;
        let next = known.iter().max().map_or(0, |last| last + 1);
        Ok(Recovery { incarnation, next, streams })
    }

    /// Returns the removed streams whose bytes still exist.
    fn commit(&self, writes: Vec<Write>, durable: bool) -> Result<Vec<StreamNo>, StoreError> {
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.db.batch().durability(Some(mode));
        let mut removed = Vec::new();
        for write in writes {
            match write {
                Write::Meta { stream, meta } => batch.insert(&self.meta, stream.to_be_bytes(), &*meta),
                Write::Request { stream, request } => {
                    batch.insert(&self.request, stream.to_be_bytes(), &*request);
                }
                Write::Chunk { stream, start, bytes } => {
                    batch.insert(&self.data, key(stream, start), &*bytes);
                }
                Write::Remove { stream } => {
                    batch.remove(&self.meta, stream.to_be_bytes());
                    batch.remove(&self.request, stream.to_be_bytes());
                    batch.insert(&self.removed, stream.to_be_bytes(), "");
                    removed.push(stream);
                }
            }
        }
        batch.commit()?;
        Ok(removed)
    }

    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError> {
        let first = self.data.range(key(stream, 0)..=key(stream, from)).next_back();
        let first = first.map(|entry| entry.key()).transpose()?.map_or(from, |key| position(&key));
        let (mut chunks, mut together) = (Vec::new(), 0);
        for entry in self.data.range(key(stream, first)..=key(stream, u64::MAX)) {
            if together >= max_bytes {
                break;
            }
            let (key, bytes) = entry.into_inner()?;
            together += bytes.len();
            chunks.push(Chunk { start: position(&key), bytes: Bytes::copy_from_slice(&bytes) });
        }
        Ok(chunks)
    }
}

fn key(stream: StreamNo, position: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&stream.to_be_bytes());
    key[8..].copy_from_slice(&position.to_be_bytes());
    key
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

fn position(key: &[u8]) -> u64 {
    key.get(8..).map_or(0, number)
}

impl LogStore for DiskStore {
    fn recover(&self) -> Result<Recovery, StoreError> {
        self.with(Open::recover)
    }

    fn commit(&self, writes: Vec<Write>, durable: bool) -> Result<Vec<Refused>, StoreError> {
        let is_removal = |write: &Write| matches!(write, Write::Remove { .. });
        if !writes.iter().all(is_removal) {
            match self.room() {
                Room::Enough => {}
                Room::Full => return Err(StoreError::Full),
                Room::Failed => return Err(StoreError::Failed),
            }
        }
        let removed = self.with(|open| open.commit(writes, durable));
        let removed = removed.inspect_err(|_| self.has_failed.store(true, Ordering::Release))?;
        // A stream without metadata is never found again, so its bytes can be removed later.
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).extend(removed);
        Ok(Vec::new())
    }

    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError> {
        self.with(|open| open.read(stream, from, max_bytes))
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.sync_journals()? == 0 {
            // A database that keeps its journal elsewhere.
            self.with(|open| Ok(open.db.persist(PersistMode::SyncData)?))?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let removed = std::mem::take(&mut *self.removed.lock().unwrap_or_else(PoisonError::into_inner));
        self.with(|open| removed.into_iter().try_for_each(|stream| open.remove_data(stream)))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.with(|open| Ok(open.db.persist(PersistMode::SyncAll)?))
    }

    fn find(&self, stream: StreamNo) -> Result<Option<Recovered>, StoreError> {
        self.with(|open| {
            let Some(meta) = open.meta.get(stream.to_be_bytes())? else { return Ok(None) };
            let end = open.end(stream)?;
            Ok(Some(Recovered { stream, meta: Bytes::copy_from_slice(&meta), end }))
        })
    }

    fn request(&self, stream: StreamNo) -> Result<Option<Bytes>, StoreError> {
        self.with(|open| {
            let request = open.request.get(stream.to_be_bytes())?;
            Ok(request.map(|request| Bytes::copy_from_slice(&request)))
        })
    }

    fn room(&self) -> Room {
        if self.has_failed.load(Ordering::Acquire) {
            Room::Failed
        } else if self.free_bytes() < self.reserve {
            Room::Full
        } else {
            Room::Enough
        }
    }

    fn mend(&self) -> Result<(), StoreError> {
        if self.free_bytes() < self.reserve {
            return Err(StoreError::Full);
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // A failed database accepts nothing more, and two cannot share one folder.
        drop(open.take());
        *open = Some(Open::at(&self.folder)?);
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.with(|open| Ok(open.db.disk_space()?)).unwrap_or(0)
    }

    fn back_up(&self, folder: &Path) -> Result<u64, StoreError> {
        // Writers need the lock, and a copy may take long.
        let open = self.with(|open| Ok(open.clone()))?;
        open.copy_to(folder)
    }

    fn is_memory(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(store: &DiskStore) -> String {
        let format = store.with(|open| Ok(open.about.get("format")?)).unwrap().unwrap();
        String::from_utf8_lossy(&format).into_owned()
    }

    #[test]
    fn a_store_of_an_earlier_version_is_upgraded_and_one_of_a_later_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path(), 0).unwrap();
        let meta = Write::Meta { stream: 7, meta: "{}".into() };
        store.commit(vec![meta], true).unwrap();
        store.with(|open| Ok(open.about.insert("format", "1")?)).unwrap();
        drop(store);
        let store = DiskStore::open(folder.path(), 0).unwrap();
        assert_eq!(format(&store), FORMAT);
        assert_eq!(store.find(7).unwrap().map(|found| found.meta).as_deref(), Some(&b"{}"[..]));
        let request = Write::Request { stream: 7, request: "asked".into() };
        store.commit(vec![request], true).unwrap();
        assert_eq!(store.request(7).unwrap().as_deref(), Some(&b"asked"[..]));
        store.commit(vec![Write::Remove { stream: 7 }], true).unwrap();
        assert_eq!(store.request(7).unwrap(), None);
        store.with(|open| Ok(open.about.insert("format", "99")?)).unwrap();
        drop(store);
        let refused = DiskStore::open(folder.path(), 0).unwrap_err();
        assert!(refused.to_string().contains("has the format 99"), "{refused}");
    }

    #[test]
    fn a_start_removes_what_was_left_of_a_removal() {
        let folder = tempfile::tempdir().unwrap();
        let write = |stream| {
            let meta = Write::Meta { stream, meta: "{}".into() };
            vec![meta, Write::Chunk { stream, start: 0, bytes: "abc".into() }]
        };
        let left = |store: &DiskStore| store.read(7, 0, usize::MAX).unwrap().len();
        for is_noted in [true, false] {
            let store = DiskStore::open(folder.path(), 0).unwrap();
            store.recover().unwrap();
            store.commit([write(7), write(8)].concat(), true).unwrap();
            store.commit(vec![Write::Remove { stream: 7 }], true).unwrap();
            if !is_noted {
                // As an earlier version leaves it.
                store.with(|open| Ok(open.removed.remove(7_u64.to_be_bytes())?)).unwrap();
                store.with(|open| Ok(open.about.remove("removals are noted")?)).unwrap();
            }
            assert_eq!(left(&store), 1);
            drop(store);
            let store = DiskStore::open(folder.path(), 0).unwrap();
            let found = store.recover().unwrap().streams;
            assert_eq!(found.iter().map(|found| (found.stream, found.end)).collect::<Vec<_>>(), [(8, 3)]);
            assert_eq!(left(&store), 0);
            assert!(store.with(|open| Ok(open.removed.is_empty()?)).unwrap());
        }
    }
}
