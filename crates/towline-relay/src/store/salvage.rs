//! Salvages a store with unreadable tables: writes the readable data again.

use std::io;
use std::path::{Path, PathBuf};

use fjall::PersistMode;

use super::StoreError;
use super::disk::{JOURNAL_EXTENSION, Open};

/// The extension of a folder that was replaced.
const DAMAGED: &str = "damaged";

/// Replaces this store by one with each stream up to its first unreadable part. Returns the path of the old
/// one. Blocks.
///
/// # Errors
/// If metadata of streams cannot be read, or the new store cannot be written; then the store is unchanged.
pub(super) fn salvage(open: Open, folder: &Path) -> Result<PathBuf, StoreError> {
    let kept = folder.with_extension(DAMAGED);
    if kept.exists() {
        let message = format!("{} exists from an earlier repair: move it away first", kept.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message).into());
    }
    let fresh = folder.with_extension(format!("repaired-{}", std::process::id()));
    let written = open.copy_readable_to(&fresh).and_then(|()| {
        drop(open);
        Ok(copy_other_files(folder, &fresh)?)
    });
    if let Err(error) = written {
        // It may not exist yet.
        drop(std::fs::remove_dir_all(&fresh));
        return Err(error);
    }
    std::fs::rename(folder, &kept)?;
    std::fs::rename(&fresh, folder)?;
    Ok(kept)
}

/// Copies files other than the store's own, such as the paired devices.
fn copy_other_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let of_journal = path.extension().is_some_and(|known| known == JOURNAL_EXTENSION || known == DAMAGED);
        let Some(place) = path.file_name().map(|name| to.join(name)) else { continue };
        if path.is_file() && !of_journal && !place.exists() {
            std::fs::copy(&path, place)?;
        }
    }
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())
}

impl Open {
    fn copy_readable_to(&self, folder: &Path) -> Result<(), StoreError> {
        let copy = Self::at(folder)?;
        for entry in self.about.iter() {
            let (key, value) = entry.into_inner()?;
            copy.about.insert(key, value)?;
        }
        for described in self.streams() {
            let (stream, meta) = described?;
            let number = stream.to_be_bytes();
            copy.meta.insert(number, meta)?;
            if let Ok(Some(request)) = self.request.get(number) {
                copy.request.insert(number, request)?;
            }
            for chunk in self.data.prefix(number) {
                let Ok((key, bytes)) = chunk.into_inner() else { break };
                copy.data.insert(key, bytes)?;
            }
        }
        Ok(copy.db.persist(PersistMode::SyncAll)?)
    }
}
