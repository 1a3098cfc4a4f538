//! Copies a store that is in use.

use std::path::Path;

use fjall::{PersistMode, Readable as _};

use super::StoreError;
use super::disk::Open;

/// Number of bytes that are written to the copy at once.
const AT_ONCE: usize = 1 << 20;

impl Open {
    /// Copies a consistent snapshot of the store into a new store in `folder`. Concurrent writes do not wait
    /// and are not in the copy. Returns the number of streams. Blocks.
    ///
    /// # Errors
    /// If this store cannot be read, or the copy cannot be written.
    pub(super) fn copy_to(&self, folder: &Path) -> Result<u64, StoreError> {
        let moment = self.db.snapshot();
        let copy = Self::at(folder)?;
        let mut streams = 0;
        for (from, to) in self.keyspaces().into_iter().zip(copy.keyspaces()) {
            let (mut batch, mut bytes) = (copy.db.batch(), 0);
            for entry in moment.iter(from) {
                let (key, value) = entry.into_inner()?;
                bytes += key.len() + value.len();
                streams += u64::from(std::ptr::eq(from, &self.meta));
                batch.insert(to, key, value);
                if bytes >= AT_ONCE {
                    std::mem::replace(&mut batch, copy.db.batch()).commit()?;
                    bytes = 0;
                }
            }
            batch.commit()?;
        }
        copy.db.persist(PersistMode::SyncAll)?;
        Ok(streams)
    }
}
