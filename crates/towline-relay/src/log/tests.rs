//! The log against a reference: a plain list of bytes.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Broken, Cursor, CursorRead, StreamLog, Writer};
use crate::config::Fsync;
use crate::id::{Owner, StreamId};
use crate::meta::Meta;
use crate::store::{DiskStore, LogStore, MemoryStore, Write};

/// An operation on a log.
#[derive(Debug, Clone)]
enum Op {
    /// Appends this many bytes.
    Append(usize),
    /// Appends more bytes than the tail in memory holds.
    AppendMuch,
    Close,
    Remove,
    /// Reads from a position to the known end.
    Read(u16),
    /// Restarts the process.
    Restart,
    ForgetTail,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (1..300usize).prop_map(Op::Append),
        1 => Just(Op::AppendMuch),
        1 => Just(Op::Close),
        1 => Just(Op::Remove),
        6 => any::<u16>().prop_map(Op::Read),
        2 => Just(Op::Restart),
        1 => Just(Op::ForgetTail),
    ];
    proptest::collection::vec(op, 1..30)
}

/// The reference.
#[derive(Debug, Default)]
struct Model {
    bytes: Vec<u8>,
    closed: bool,
    removed: bool,
}

fn piece(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

async fn play(ops: Vec<Op>, open: impl Fn() -> Arc<dyn LogStore>, survives: bool) {
    let mut writer = Writer::start(open(), Fsync::Never).unwrap();
    writer.store().recover().unwrap();
    let meta = Meta::new(StreamId::random(), Owner::local(), "text/plain", 1);
    let (mut log, ticket) = StreamLog::create(7, Arc::clone(&writer), meta, b"", None);
    log.begin();
    log.written(ticket).await.unwrap();
    let mut model = Model::default();
    for op in ops {
        match op {
            Op::Append(_) | Op::AppendMuch => {
                let length = if let Op::Append(length) = op { length } else { 300 << 10 };
                let bytes = piece(model.bytes.len(), length);
                let changed = log.change(|log| {
                    let may = !log.meta().closed;
                    if may {
                        log.append(&bytes);
                    }
                    may
                });
                let Ok((appended, ticket)) = changed else {
                    assert!(model.removed);
                    continue;
                };
                assert_eq!(appended, !model.closed);
                log.written(ticket).await.unwrap();
                if appended {
                    model.bytes.extend(bytes);
                }
            }
            Op::Close => {
                let Ok(((), ticket)) = log.change(|log| log.close()) else {
                    assert!(model.removed);
                    continue;
                };
                log.written(ticket).await.unwrap();
                model.closed = true;
            }
            Op::Remove => {
                if !model.removed {
                    let ticket = log.remove();
                    log.written(ticket).await.unwrap();
                    model.removed = true;
                    writer.store().clear().unwrap();
                    assert_eq!(writer.store().read(7, 0, 1).unwrap(), []);
                }
            }
            Op::Read(from) => {
                let from = usize::from(from) * 5 % (model.bytes.len() + 1);
                let mut cursor = Cursor::new(Arc::clone(&log), from as u64);
                if model.removed {
                    assert!(matches!(cursor.read().await, CursorRead::Broken(Broken::Removed)));
                    continue;
                }
                let mut read = Vec::new();
                while !cursor.is_at_end().0 {
                    match cursor.read().await {
                        CursorRead::Bytes(bytes) => read.extend_from_slice(&bytes),
                        other @ (CursorRead::Closed | CursorRead::Broken(_)) => panic!("{other:?}"),
                    }
                }
                assert!(read == model.bytes[from..], "from {from}");
                assert_eq!(cursor.is_at_end().1, model.closed);
            }
            Op::Restart => {
                if !survives {
                    continue;
                }
                writer.end();
                let meta = log.with_meta(|meta, _| meta.clone());
                drop((log, writer));
                writer = Writer::start(open(), Fsync::Never).unwrap();
                let recovery = writer.store().recover().unwrap();
                assert_eq!(recovery.streams.len(), usize::from(!model.removed));
                if let Some(found) = recovery.streams.first() {
                    assert_eq!((found.stream, found.end), (7, model.bytes.len() as u64));
                    let meta: Meta = serde_json::from_slice(&found.meta).unwrap();
                    assert_eq!(meta.closed, model.closed);
                }
                log = StreamLog::recovered(7, Arc::clone(&writer), meta, model.bytes.len() as u64);
                if model.removed {
                    let ticket = log.remove();
                    log.written(ticket).await.unwrap();
                }
            }
            Op::ForgetTail => log.forget_tail(),
        }
        let seen = log.visible();
        assert!(model.removed || seen.end.position == model.bytes.len() as u64);
        assert!(model.removed || seen.closed == model.closed);
    }
    writer.end();
}

fn wait(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_it_is_a_list_of_bytes(ops in ops()) {
        wait(play(ops, || Arc::new(MemoryStore::new()), false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn on_disk_it_is_a_list_of_bytes(ops in ops()) {
        let folder = tempfile::tempdir().unwrap();
        wait(play(ops, || Arc::new(DiskStore::open(folder.path(), 0).unwrap()), true));
    }
}

#[test]
fn a_reader_that_waits_is_woken_by_every_end() {
    wait(async {
        let writer = Writer::start(Arc::new(MemoryStore::new()), Fsync::Never).unwrap();
        for close in [true, false] {
            let meta = Meta::new(StreamId::random(), Owner::local(), "text/plain", 1);
            let (log, _) = StreamLog::create(u64::from(close), Arc::clone(&writer), meta, b"", None);
            log.begin();
            let mut cursor = Cursor::new(Arc::clone(&log), 0);
            let (got, ()) = tokio::join!(cursor.read(), async {
                if close {
                    log.change(|log| log.close()).unwrap();
                } else {
                    log.remove();
                }
            });
            assert!(matches!(
                (close, got),
                (true, CursorRead::Closed) | (false, CursorRead::Broken(Broken::Removed))
            ));
        }
    });
}

#[test]
fn a_loss_is_reported_however_late_it_is_asked_for() {
    wait(async {
        let writer = Writer::start(Arc::new(MemoryStore::new()), Fsync::Never).unwrap();
        let meta = Meta::new(StreamId::random(), Owner::local(), "text/plain", 1);
        let log = StreamLog::recovered(7, writer, meta.clone(), 0);
        let ((), kept) = log.change(|log| log.append(b"a")).unwrap();
        // The append is staged, and another relay has written the stream.
        let lose = || {
            let ((), ticket) = log.state().stage(|log| log.append(b"b")).unwrap();
            log.fence();
            assert!(log.reload(meta.clone(), 1));
            ticket
        };
        let (first, second) = (lose(), lose());
        let ((), last) = log.change(|log| log.append(b"c")).unwrap();
        assert_eq!(log.written(first).await, Err(Broken::Taken));
        assert_eq!(log.written(second).await, Err(Broken::Taken));
        for ticket in [kept, last] {
            assert_eq!(log.written(ticket).await, Ok(()));
        }
        let ((), gone) = log.state().stage(|log| log.append(b"d")).unwrap();
        log.is_gone();
        assert_eq!(log.written(gone).await, Err(Broken::Removed));
    });
}

/// Many threads append at once, to their own logs and to a shared one; each batch is written on the thread whose turn it is. Returns the length of each log.
fn crowd(store: Arc<dyn LogStore>, fsync: Fsync) -> Vec<u64> {
    const APPENDERS: u64 = 8;
    const APPENDS: usize = 200;
    let writer = Writer::start(store, fsync).unwrap();
    let logs: Vec<Arc<StreamLog>> = (0..=APPENDERS)
        .map(|no| {
            let meta = Meta::new(StreamId::random(), Owner::local(), "text/plain", 1);
            let (log, _) = StreamLog::create(no, Arc::clone(&writer), meta, b"", None);
            log.begin();
            log
        })
        .collect();
    std::thread::scope(|scope| {
        for own in &logs[1..] {
            let shared = &logs[0];
            scope.spawn(move || {
                for at in 0..APPENDS {
                    own.append(&piece(at * 10, 10)).unwrap();
                    shared.append(b"x").unwrap();
                }
                let ((), ticket) = own.change(|log| log.close()).unwrap();
                wait(async { own.written(ticket).await.unwrap() });
                assert_eq!(own.visible().end.position, 10 * APPENDS as u64);
                assert!(own.visible().closed);
            });
        }
    });
    let ((), ticket) = logs[0].change(|log| log.close()).unwrap();
    wait(async { logs[0].written(ticket).await.unwrap() });
    assert_eq!(logs[0].visible().end.position, APPENDERS * APPENDS as u64);
    for own in &logs[1..] {
        let chunks = writer.store().read(own.no, 0, usize::MAX).unwrap();
        assert!(chunks.iter().flat_map(|chunk| &chunk.bytes).copied().eq(piece(0, 10 * APPENDS)));
    }
    writer.end();
    logs.iter().map(|log| log.visible().end.position).collect()
}

#[test]
fn a_crowd_loses_nothing() {
    crowd(Arc::new(MemoryStore::new()), Fsync::Never);
    for fsync in [Fsync::Always, Fsync::Every(Duration::from_millis(1)), Fsync::Never] {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(DiskStore::open(folder.path(), 0).unwrap());
        let ends = crowd(open(), fsync);
        let recovery = open().recover().unwrap();
        assert_eq!(recovery.streams.len(), ends.len());
        for found in recovery.streams {
            let at = usize::try_from(found.stream).unwrap();
            assert_eq!(found.end, ends[at], "{fsync:?}");
        }
    }
}

#[test]
fn what_was_removed_goes_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path(), 0).unwrap();
    let write = |stream, start, bytes: &'static [u8]| Write::Chunk { stream, start, bytes: bytes.into() };
    // More than are removed at once, and a neighbour that stays.
    let many = (0..1_200).map(|at| write(1, at, b"a"));
    store.commit(many.chain([write(2, 0, b"stays")]).collect(), false).unwrap();
    store.commit(vec![Write::Remove { stream: 1 }], false).unwrap();
    store.clear().unwrap();
    assert_eq!(store.read(1, 0, usize::MAX).unwrap(), []);
    assert_eq!(store.read(2, 0, usize::MAX).unwrap().len(), 1);
}

#[test]
fn the_journal_is_where_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path(), 0).unwrap();
    store.commit(vec![Write::Chunk { stream: 1, start: 0, bytes: "a".into() }], false).unwrap();
    assert_eq!(store.sync_journals().unwrap(), 1);
}

/// A start then does not need to search for it.
#[tokio::test]
async fn the_description_of_a_closed_log_says_where_it_ends() {
    let writer = Writer::start(Arc::new(MemoryStore::new()), Fsync::Never).unwrap();
    let meta = Meta::new(StreamId::random(), Owner::local(), "text/plain", 1);
    let (log, ticket) = StreamLog::create(7, Arc::clone(&writer), meta, b"abc", None);
    log.begin();
    log.written(ticket).await.unwrap();
    let described =
        || serde_json::from_slice::<Meta>(&writer.store().find(7).unwrap().unwrap().meta).unwrap().end;
    assert_eq!(described(), None);
    let closed = log.change(|log| {
        log.append(b"de");
        log.close();
    });
    log.written(closed.unwrap().1).await.unwrap();
    assert_eq!(described(), Some(5));
}

/// A reader holds a chunk in memory, so none is as long as the append.
#[tokio::test]
async fn a_long_append_is_kept_in_short_chunks_unless_it_is_json() {
    for (content_type, longest) in [("text/plain", super::CHUNK_BYTES), ("application/json", 1 << 20)] {
        let writer = Writer::start(Arc::new(MemoryStore::new()), Fsync::Never).unwrap();
        let meta = Meta::new(StreamId::random(), Owner::local(), content_type, 1);
        let (log, ticket) = StreamLog::create(7, Arc::clone(&writer), meta, &piece(0, 1 << 20), None);
        log.begin();
        log.written(ticket).await.unwrap();
        let chunks = writer.store().read(7, 0, usize::MAX).unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.bytes.len()).max(), Some(longest), "{content_type}");
        let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        assert_eq!(whole, piece(0, 1 << 20));
    }
}
