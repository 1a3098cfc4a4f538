//! Missing tables of a store: it cannot be opened while its lists name them, so the lists are rewritten
//! without them.
//!
//! Each key space has a folder with its tables and a list of them. The list is an archive of sections, named by the file
//! `current`; the section `tables` has levels of runs of tables (lsm-tree 3, `version/mod.rs`).

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::StoreError;

/// The section of a list that names the tables.
const TABLES: &[u8] = b"tables";
/// The key space with the names of the others, without which they cannot be distinguished.
const NAMES: &str = "0";
/// A table's number, the kind of its checksum, the checksum, and its first sequence number.
const TABLE_BYTES: usize = 8 + 1 + 16 + 8;

/// Returns the missing tables; with `repair`, removes them from the lists if the rest is usable without them.
/// Blocks.
///
/// # Errors
/// If lists cannot be read or written.
pub(super) fn missing_tables(folder: &Path, repair: bool) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(folder.join("keyspaces"))? {
        let keyspace = entry?.path();
        let Some(mut list) = List::read(&keyspace)? else { continue };
        let missing = list.remove_where(|table| !keyspace.join("tables").join(table.to_string()).exists());
        let name = keyspace.file_name().unwrap_or_default().display().to_string();
        if repair && !missing.is_empty() && name != NAMES {
            list.write()?;
        }
        problems.extend(
            missing.iter().map(|table| format!("the table {table} of the key space {name} is missing")),
        );
    }
    Ok(problems)
}

/// The list of one key space.
struct List {
    path: PathBuf,
    sections: Vec<(Vec<u8>, Vec<u8>)>,
    levels: Vec<Vec<Vec<[u8; TABLE_BYTES]>>>,
}

impl List {
    /// `None` if there is no valid list.
    fn read(keyspace: &Path) -> io::Result<Option<Self>> {
        let current = match std::fs::read(keyspace.join("current")) {
            Ok(current) => current,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Some(number) = current.first_chunk() else { return Ok(None) };
        let path = keyspace.join(format!("v{}", u64::from_le_bytes(*number)));
        let Ok(archive) = sfa::Reader::new(&path) else { return Ok(None) };
        let mut sections = Vec::new();
        for section in archive.toc().iter() {
            let mut bytes = Vec::new();
            section.buf_reader(&path)?.read_to_end(&mut bytes)?;
            sections.push((section.name().to_vec(), bytes));
        }
        let tables = sections.iter().find(|(name, _)| name == TABLES);
        let levels = tables.and_then(|(_, bytes)| levels(bytes));
        Ok(levels.map(|levels| Self { path, sections, levels }))
    }

    /// Returns the removed tables. An empty run is removed too.
    fn remove_where(&mut self, is_removed: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut left_out = Vec::new();
        for level in &mut self.levels {
            for run in &mut *level {
                run.retain(|table| {
                    let number = table.first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
                    let stays = !is_removed(number);
                    if !stays {
                        left_out.push(number);
                    }
                    stays
                });
            }
            level.retain(|run| !run.is_empty());
        }
        left_out
    }

    /// Replaces the list that was read.
    fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut archive = sfa::Writer::from_writer(std::fs::File::create(&fresh)?);
        for (name, bytes) in &self.sections {
            archive.start(name.clone())?;
            if name == TABLES {
                archive.write_all(&self.tables())?;
            } else {
                archive.write_all(bytes)?;
            }
        }
        archive.into_inner().map_err(io::Error::other)?.sync_all()?;
        std::fs::rename(&fresh, &self.path)
    }

    /// Never writes more than was read, so all counts fit.
    fn tables(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.levels.len()).unwrap_or(u8::MAX)];
        for level in &self.levels {
            bytes.push(u8::try_from(level.len()).unwrap_or(u8::MAX));
            for run in level {
                bytes.extend(u32::try_from(run.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend(run.iter().flatten());
            }
        }
        bytes
    }
}

/// `None` if the section ends too early.
fn levels(mut bytes: &[u8]) -> Option<Vec<Vec<Vec<[u8; TABLE_BYTES]>>>> {
    let mut levels = Vec::new();
    for _ in 0..*bytes.split_off_first()? {
        let mut level = Vec::new();
        for _ in 0..*bytes.split_off_first()? {
            let (count, rest) = bytes.split_first_chunk()?;
            bytes = rest;
            let mut run = Vec::new();
            for _ in 0..u32::from_le_bytes(*count) {
                let (table, rest) = bytes.split_first_chunk()?;
                run.push(*table);
                bytes = rest;
            }
            level.push(run);
        }
        levels.push(level);
    }
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_cut_is_not_understood() {
        let table = [7; TABLE_BYTES];
        let whole = [&[1, 1, 1, 0, 0, 0][..], &table].concat();
        assert_eq!(levels(&whole), Some(vec![vec![vec![table]]]));
        for cut in 0..whole.len() {
            assert_eq!(levels(&whole[..cut]), None, "{cut}");
        }
    }
}
