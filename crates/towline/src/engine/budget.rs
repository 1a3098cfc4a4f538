//! The size limits of an engine's logs, and the jobs that wait for room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::cell::Cell;
use super::{EngineConfig, LogOverflow, lock};

/// A log of up to this size, in bytes, is not restricted because of the logs of other jobs.
const FAIR_SHARE_BYTES: usize = 64 << 10;

/// The size limits of the logs of one engine, each and together, in bytes.
#[derive(Debug)]
pub(super) struct Budget {
    job_limit: usize,
    limit: usize,
    overflow: LogOverflow,
    used: AtomicUsize,
    /// Jobs that are paused because all logs together exceed their limit.
    blocked: Mutex<HashMap<u64, Arc<Cell>>>,
    /// Whether there may be some, for a check at each read. Set once one is added, and cleared under their lock; in one
    /// order with `used`, so that a job that waits and a reader that makes room cannot miss each other.
    has_blocked: AtomicBool,
}

impl Budget {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            job_limit: config.job_log_bytes,
            limit: config.log_bytes,
            overflow: config.log_overflow,
            used: AtomicUsize::new(0),
            blocked: Mutex::default(),
            has_blocked: AtomicBool::new(false),
        }
    }

    /// A log has grown, or shrunk because progress was joined.
    #[inline]
    pub(super) fn changed(&self, before: usize, after: usize) {
        if after >= before {
            self.used.fetch_add(after - before, Ordering::SeqCst);
        } else {
            self.release(before - after);
        }
    }

    pub(super) fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Whether a job with a full log drops read text, or waits for a reader.
    pub(super) fn drops_read(&self) -> bool {
        match self.overflow {
            LogOverflow::DropRead => true,
            LogOverflow::Pause => false,
        }
    }

    /// By how much a log of `bytes` exceeds its own limit, and the rest of the common limit.
    #[inline]
    pub(super) fn over(&self, bytes: usize) -> (usize, usize) {
        let over_all = if bytes > FAIR_SHARE_BYTES { self.over_all() } else { 0 };
        (bytes.saturating_sub(self.job_limit), over_all)
    }

    /// By how much all logs together exceed their limit.
    pub(super) fn over_all(&self) -> usize {
        self.used.load(Ordering::SeqCst).saturating_sub(self.limit)
    }

    /// Pauses the job until there is room again. The caller then calls [`resume`](Self::resume): either a
    /// reader that makes room finds the job here, or that call finds the room.
    pub(super) fn block(&self, cell: &Arc<Cell>) {
        lock(&self.blocked).insert(cell.id, Arc::clone(cell));
        self.has_blocked.store(true, Ordering::SeqCst);
    }

    /// If there is room, unpauses the jobs that were paused for lack of it. Never called with a cell's lock
    /// held.
    #[inline]
    pub(super) fn resume(&self) {
        if self.has_blocked.load(Ordering::SeqCst) && self.over_all() == 0 {
            self.unpause();
        }
    }

    fn unpause(&self) {
        let mut blocked = lock(&self.blocked);
        let cells = std::mem::take(&mut *blocked);
        self.has_blocked.store(false, Ordering::SeqCst);
        drop(blocked);
        for cell in cells.into_values() {
            cell.make_room();
        }
    }
}
