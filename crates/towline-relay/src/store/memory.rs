//! Logs in memory, lost when the process ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Chunk, LogStore, Recovered, Recovery, Refused, Room, StoreError, StreamNo, Write};

/// Logs in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    streams: Mutex<HashMap<StreamNo, StoredStream>>,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct StoredStream {
    meta: Bytes,
    request: Option<Bytes>,
    chunks: BTreeMap<u64, Bytes>,
    end: u64,
}

impl MemoryStore {
    /// An empty store.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<StreamNo, StoredStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogStore for MemoryStore {
    fn recover(&self) -> Result<Recovery, StoreError> {
        let streams = self.streams();
        let found = streams.iter().map(|(stream, kept)| Recovered {
            stream: *stream,
            meta: kept.meta.clone(),
            end: kept.end,
        });
        let next = streams.keys().max().map_or(0, |last| last + 1);
        Ok(Recovery { incarnation: 1, next, streams: found.collect() })
    }

    fn commit(&self, writes: Vec<Write>, _durable: bool) -> Result<Vec<Refused>, StoreError> {
        let mut streams = self.streams();
        for write in writes {
            match write {
                Write::Meta { stream, meta } => streams.entry(stream).or_default().meta = meta,
                Write::Request { stream, request } => {
                    self.bytes.fetch_add(request.len() as u64, Ordering::Relaxed);
                    streams.entry(stream).or_default().request = Some(request);
                }
                Write::Chunk { stream, start, bytes } => {
                    self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    let kept = streams.entry(stream).or_default();
                    kept.end = start + bytes.len() as u64;
                    kept.chunks.insert(start, bytes);
                }
                Write::Remove { stream } => {
                    let gone = streams
                        .remove(&stream)
                        .map_or(0, |kept| kept.end + kept.request.map_or(0, |request| request.len() as u64));
                    self.bytes.fetch_sub(gone, Ordering::Relaxed);
                }
            }
        }
        Ok(Vec::new())
    }

    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError> {
        let streams = self.streams();
        let Some(kept) = streams.get(&stream).filter(|kept| from < kept.end) else { return Ok(Vec::new()) };
        let first = kept.chunks.range(..=from).next_back().map_or(from, |(start, _)| *start);
        let mut together = 0;
        let wanted = kept.chunks.range(first..).take_while(|(_, bytes)| {
            let more = together < max_bytes;
            together += bytes.len();
            more
        });
        Ok(wanted.map(|(start, bytes)| Chunk { start: *start, bytes: bytes.clone() }).collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn find(&self, stream: StreamNo) -> Result<Option<Recovered>, StoreError> {
        let found = |kept: &StoredStream| Recovered { stream, meta: kept.meta.clone(), end: kept.end };
        Ok(self.streams().get(&stream).map(found))
    }

    fn request(&self, stream: StreamNo) -> Result<Option<Bytes>, StoreError> {
        Ok(self.streams().get(&stream).and_then(|kept| kept.request.clone()))
    }

    fn room(&self) -> Room {
        Room::Enough
    }

    fn mend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn is_memory(&self) -> bool {
        true
    }
}
