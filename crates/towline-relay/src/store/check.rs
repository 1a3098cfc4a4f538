//! Checks a store that no relay uses for damage, and repairs it.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Chunks, JOURNAL_EXTENSION, Open};
use super::missing::missing_tables;
use super::salvage::salvage;
use super::{StoreError, StreamNo};
use crate::meta::Meta;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Number of streams that are intact or were repaired.
    pub streams: u64,
    /// The damage, one sentence each. Empty if there is none.
    pub damage: Vec<String>,
}

/// Reads all of the store in `folder`, which no relay may use meanwhile. With `repair`, damaged parts are
/// removed, so that a relay can use the rest: a journal is truncated before its damage, and the original is
/// kept with the extension `damaged`; for a missing table, the data that the journal still has is used; an
/// answer with a missing part ends before it, as interrupted; a stream with unreadable metadata is removed. A
/// store with an unreadable table is rewritten, and the original is kept with the extension `damaged`.
/// Blocks.
///
/// # Errors
/// A store that does not exist, is in use, cannot be written, or has another kind of damage. Without
/// `repair`, a store that cannot be opened is not an error but is reported in [`Checked::damage`], without
/// its streams, which cannot be read then.
pub fn check(folder: &Path, repair: bool) -> Result<Checked, StoreError> {
    if !folder.is_dir() {
        let message = format!("there is no store at {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message).into());
    }
    let mut checked = Checked::default();
    let open = match Open::at(folder) {
        Ok(open) => open,
        Err(StoreError::Disk(error)) => {
            checked.damage.push(format!("the store cannot be opened: {error}"));
            checked.damage.extend(missing_tables(folder, repair)?);
            if !repair {
                return Ok(checked);
            }
            match Open::at(folder) {
                Ok(open) => open,
                Err(_) => {
                    checked.damage.extend(cut_journals(folder)?);
                    Open::at(folder)?
                }
            }
        }
        Err(error) => return Err(error),
    };
    let mut is_unreadable = false;
    for stream in open.streams() {
        match stream {
            Ok((stream, meta)) => match check_stream(&open, stream, &meta, repair, &mut checked) {
                Err(StoreError::Disk(_)) if repair => {
                    is_unreadable = true;
                    break;
                }
                done => done?,
            },
            Err(error) => checked.damage.push(format!("descriptions of streams cannot be read: {error}")),
        }
    }
    if is_unreadable {
        // Unreadable data cannot be removed either.
        let kept = salvage(open, folder)?;
        checked.damage.push(format!("the store was rebuilt; the damaged one is at {}", kept.display()));
        let fresh = check(folder, true)?;
        checked.streams = fresh.streams;
        checked.damage.extend(fresh.damage);
    }
    Ok(checked)
}

fn check_stream(
    open: &Open,
    stream: StreamNo,
    meta: &[u8],
    repair: bool,
    checked: &mut Checked,
) -> Result<(), StoreError> {
    let Ok(mut meta) = serde_json::from_slice::<Meta>(meta) else {
        checked.damage.push(format!("the description of stream number {stream} cannot be read"));
        return if repair { open.remove(stream) } else { Ok(()) };
    };
    let Chunks { end, damage } = open.chunks(stream);
    let shorter = |known: u64| format!("the bytes from {end} to {known} are missing");
    let damage = damage.or_else(|| meta.end.filter(|known| *known > end).map(shorter));
    let Some(why) = damage else {
        checked.streams += 1;
        return Ok(());
    };
    checked.damage.push(format!("stream {} is intact only up to byte {end}: {why}", meta.id));
    if !repair {
        return Ok(());
    }
    meta.end = None;
    // The next start closes it with a record that says so.
    if let Some(job) = &mut meta.job {
        meta.closed = false;
        (job.ended, job.ended_ms, job.cause) = (None, None, None);
    }
    let meta = serde_json::to_vec(&meta).unwrap_or_default();
    open.cut(stream, end, &meta)?;
    checked.streams += 1;
    Ok(())
}

/// Truncates each journal before its damage, and returns what was cut: nothing, if no journal is damaged.
fn cut_journals(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut journals: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == JOURNAL_EXTENSION) {
            journals.push(path);
        }
    }
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    journals.sort_by_key(number);
    let trial = folder.with_extension(format!("check-{}", std::process::id()));
    let mut cuts = Vec::new();
    for at in 0..journals.len() {
        let (journal, later) = (&journals[at], &journals[at + 1..]);
        let length = std::fs::metadata(journal)?.len();
        let opens = |bytes: u64| -> Result<bool, StoreError> {
            copy(folder, &trial, journal, bytes, later)?;
            let is_open = Open::at(&trial).is_ok();
            std::fs::remove_dir_all(&trial)?;
            Ok(is_open)
        };
        if at == 0 && !opens(0)? {
            return Ok(cuts);
        }
        if opens(length)? {
            continue;
        }
        // An incomplete batch at the end is not damage, so every length up to the damage opens and none
        // beyond it.
        let (mut whole, mut damaged) = (0, length);
        while whole + 1 < damaged {
            let middle = whole.midpoint(damaged);
            if opens(middle)? {
                whole = middle;
            } else {
                damaged = middle;
            }
        }
        std::fs::copy(journal, journal.with_extension("damaged"))?;
        std::fs::File::options().write(true).open(journal)?.set_len(whole)?;
        let name = journal.file_name().unwrap_or_default().display();
        cuts.push(format!("the journal {name} is damaged after byte {whole} of {length}"));
    }
    Ok(cuts)
}

/// Copies a store into the folder `to`, with the first bytes of one journal and without some others. Tables
/// never change, so they are linked.
fn copy(from: &Path, to: &Path, journal: &Path, bytes: u64, without: &[PathBuf]) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target, journal, bytes, without)?;
        } else if from.ends_with("tables") {
            std::fs::hard_link(&path, &target)?;
        } else if !without.contains(&path) && path.extension().is_none_or(|extension| extension != "damaged")
        {
            std::fs::copy(&path, &target)?;
            if path == journal {
                std::fs::File::options().write(true).open(&target)?.set_len(bytes)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{DiskStore, LogStore as _, Write};
    use super::*;
    use crate::id::{Owner, StreamId};

    fn meta(id: &str) -> Bytes {
        let id = StreamId::parse(id).unwrap();
        serde_json::to_vec(&Meta::new(id, Owner::local(), "text/plain", 1)).unwrap().into()
    }

    /// A store of two streams, each with two appends, written one after the other.
    fn store(folder: &Path) {
        let store = DiskStore::open(folder, 0).unwrap();
        for (stream, id) in [(1, "a"), (2, "b")] {
            let chunk = |start| Write::Chunk { stream, start, bytes: Bytes::from(vec![b'x'; 1000]) };
            store.commit(vec![Write::Meta { stream, meta: meta(id) }, chunk(0)], true).unwrap();
            store.commit(vec![chunk(1000)], true).unwrap();
        }
    }

    fn read(folder: &Path, stream: StreamNo) -> usize {
        let store = DiskStore::open(folder, 0).unwrap();
        store.recover().unwrap();
        store.read(stream, 0, usize::MAX).unwrap().iter().map(|chunk| chunk.bytes.len()).sum()
    }

    #[test]
    fn a_store_without_damage_is_reported_as_that() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        let fine = Checked { streams: 2, damage: Vec::new() };
        assert_eq!(check(folder.path(), false).unwrap(), fine);
        assert_eq!(check(folder.path(), true).unwrap(), fine);
        assert!(check(&folder.path().join("absent"), false).unwrap_err().to_string().contains("no store at"));
        let _used = DiskStore::open(folder.path(), 0).unwrap();
        let used = check(folder.path(), true).unwrap_err().to_string();
        assert_eq!(used, format!("the relay of process {} uses the store", std::process::id()));
    }

    #[test]
    fn an_end_that_is_missing_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        let mut described: Meta = serde_json::from_slice(&meta("a")).unwrap();
        (described.closed, described.end) = (true, Some(3000));
        let described = serde_json::to_vec(&described).unwrap().into();
        let opened = DiskStore::open(folder.path(), 0).unwrap();
        opened.commit(vec![Write::Meta { stream: 1, meta: described }], true).unwrap();
        drop(opened);
        let damage = check(folder.path(), true).unwrap().damage;
        assert!(damage[0].contains("the bytes from 2000 to 3000 are missing"), "{damage:?}");
        assert_eq!(check(folder.path(), false).unwrap().damage, Vec::<String>::new());
        assert_eq!(read(folder.path(), 1), 2000);
    }

    #[test]
    fn a_flipped_bit_in_the_journal_costs_what_stands_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        let journal = folder.path().join("0.jnl");
        let mut bytes = std::fs::read(&journal).unwrap();
        // In the second append of the second stream, which is the last that was written.
        let last = bytes.windows(8).rposition(|at| at == b"xxxxxxxx").unwrap();
        bytes[last - 100] ^= 1;
        std::fs::write(&journal, &bytes).unwrap();
        assert!(DiskStore::open(folder.path(), 0).is_err());
        let report = check(folder.path(), false).unwrap();
        assert!(report.damage[0].contains("cannot be opened") && report.streams == 0, "{report:?}");
        let repaired = check(folder.path(), true).unwrap();
        assert_eq!(repaired.streams, 2);
        assert!(repaired.damage[1].contains("the journal 0.jnl is damaged after byte"), "{repaired:?}");
        assert_eq!(std::fs::read(folder.path().join("0.damaged")).unwrap(), bytes);
        assert_eq!((read(folder.path(), 1), read(folder.path(), 2)), (2000, 1000));
        assert_eq!(check(folder.path(), false).unwrap(), Checked { streams: 2, damage: Vec::new() });
    }

    #[test]
    fn a_stream_with_a_part_that_is_missing_ends_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path(), 0).unwrap();
        let chunk = |start| Write::Chunk { stream: 1, start, bytes: Bytes::from(vec![b'x'; 1000]) };
        let described = Write::Meta { stream: 1, meta: meta("a") };
        store.commit(vec![described, chunk(0), chunk(2000)], true).unwrap();
        let unreadable = Write::Meta { stream: 2, meta: "not a description".into() };
        store.commit(vec![unreadable], true).unwrap();
        drop(store);
        let damage = vec![
            "stream a is intact only up to byte 1000: the bytes from 1000 to 2000 are missing".to_owned(),
            "the description of stream number 2 cannot be read".to_owned(),
        ];
        assert_eq!(check(folder.path(), false).unwrap(), Checked { streams: 0, damage: damage.clone() });
        assert_eq!(check(folder.path(), true).unwrap(), Checked { streams: 1, damage });
        assert_eq!(check(folder.path(), false).unwrap(), Checked { streams: 1, damage: Vec::new() });
        assert_eq!(read(folder.path(), 1), 1000);
    }

    #[test]
    fn a_flipped_bit_in_a_table_costs_the_rest_of_its_streams() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("relay");
        let store = DiskStore::open(&place, 0).unwrap();
        for (stream, id) in [(1, "a"), (2, "b"), (3, "c")] {
            store.commit(vec![Write::Meta { stream, meta: meta(id) }], true).unwrap();
            for start in (0..1 << 20).step_by(1 << 16) {
                let bytes = Bytes::from(vec![b'x'; 1 << 16]);
                store.commit(vec![Write::Chunk { stream, start, bytes }], true).unwrap();
            }
        }
        drop(store);
        // As happens automatically once memory is full enough.
        Open::at(&place).unwrap().data.rotate_memtable_and_wait().unwrap();
        std::fs::write(place.join("devices.json"), "{}").unwrap();
        let table =
            tables(&place.join("keyspaces")).into_iter().max_by_key(|path| path.metadata().unwrap().len());
        let table = table.unwrap();
        let mut bytes = std::fs::read(&table).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&table, bytes).unwrap();

        let report = check(&place, false).unwrap();
        assert!(report.damage[0].contains("what follows cannot be read"), "{report:?}");
        let repaired = check(&place, true).unwrap();
        assert_eq!(repaired.streams, 3, "{repaired:?}");
        assert!(repaired.damage.iter().any(|line| line.contains("was rebuilt")), "{repaired:?}");
        assert_eq!(check(&place, false).unwrap(), Checked { streams: 3, damage: Vec::new() });
        assert!(place.with_extension("damaged").is_dir() && place.join("devices.json").is_file());
        let left: Vec<usize> = [1, 2, 3].map(|stream| read_all(&place, stream)).into();
        assert_eq!(left.iter().filter(|left| **left == 1 << 20).count(), 2, "{left:?}");
    }

    #[test]
    fn a_table_that_was_removed_costs_what_only_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let append = |stream| {
            let store = DiskStore::open(folder.path(), 0).unwrap();
            let described = Write::Meta { stream, meta: meta(&format!("s{stream}")) };
            let bytes = Bytes::from(vec![b'x'; 1000]);
            store.commit(vec![described, Write::Chunk { stream, start: 0, bytes }], true).unwrap();
            drop(store);
            let open = Open::at(folder.path()).unwrap();
            open.data.rotate_memtable_and_wait().unwrap();
        };
        let tables_beside = |known: &[PathBuf]| {
            let mut all = tables(&folder.path().join("keyspaces"));
            all.retain(|table| !known.contains(table));
            all
        };
        append(1);
        let before = tables_beside(&[]);
        append(2);
        let mut of_data = tables_beside(&before);
        of_data.retain(|table| before.iter().any(|known| known.parent() == table.parent()));
        let [second] = &of_data[..] else { panic!("{of_data:?}") };
        let first = before.iter().find(|table| table.parent() == second.parent()).unwrap();

        // The last writes are still in the journal.
        std::fs::remove_file(second).unwrap();
        let report = check(folder.path(), false).unwrap();
        assert!(
            report.damage.iter().any(|line| line.contains("is missing")) && report.streams == 0,
            "{report:?}"
        );
        let repaired = check(folder.path(), true).unwrap();
        assert_eq!((repaired.streams, repaired.damage.len()), (2, 2), "{repaired:?}");
        assert_eq!((read_all(folder.path(), 1), read_all(folder.path(), 2)), (1000, 1000));
        // With a later table, the contents of this one are lost.
        Open::at(folder.path()).unwrap().data.rotate_memtable_and_wait().unwrap();
        std::fs::remove_file(first).unwrap();
        let repaired = check(folder.path(), true).unwrap();
        assert!(repaired.damage.iter().any(|line| line.contains("is missing")), "{repaired:?}");
        assert_eq!(check(folder.path(), false).unwrap(), Checked { streams: 2, damage: Vec::new() });
        assert_eq!((read_all(folder.path(), 1), read_all(folder.path(), 2)), (0, 1000));
    }

    /// Without the names of its key spaces, nothing in a store can be found, so it is left unchanged.
    #[test]
    fn a_store_without_its_names_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        Open::at(folder.path()).unwrap().data.rotate_memtable_and_wait().unwrap();
        let names = tables(&folder.path().join("keyspaces/0"));
        assert!(!names.is_empty());
        let away = tempfile::tempdir().unwrap();
        let elsewhere = |table: &PathBuf| away.path().join(table.file_name().unwrap());
        names.iter().for_each(|table| std::fs::rename(table, elsewhere(table)).unwrap());
        assert!(check(folder.path(), true).is_err());
        names.iter().for_each(|table| std::fs::rename(elsewhere(table), table).unwrap());
        assert_eq!(check(folder.path(), false).unwrap(), Checked { streams: 2, damage: Vec::new() });
    }

    /// Truncating the journal would not help, and would lose its contents.
    #[test]
    fn a_journal_is_left_alone_where_it_is_not_to_blame() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        let mut lists = Vec::new();
        for entry in std::fs::read_dir(folder.path().join("keyspaces")).unwrap() {
            lists.push(entry.unwrap().path().join("current"));
        }
        std::fs::write(&lists[0], b"").unwrap();
        let journal = std::fs::read(folder.path().join("0.jnl")).unwrap();
        assert!(check(folder.path(), true).is_err());
        assert_eq!(std::fs::read(folder.path().join("0.jnl")).unwrap(), journal);
    }

    fn read_all(folder: &Path, stream: StreamNo) -> usize {
        usize::try_from(Open::at(folder).unwrap().chunks(stream).end).unwrap()
    }

    /// All files of tables below a folder.
    fn tables(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(tables(&path));
            } else if path.parent().is_some_and(|parent| parent.ends_with("tables")) {
                found.push(path);
            }
        }
        found
    }
}
