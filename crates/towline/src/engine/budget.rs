//! How much the logs of an engine may hold, and the jobs that wait for room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::cell::Cell;
use super::{EngineConfig, LogOverflow, lock};

/// A log up to this size, in bytes, is not made to pay for the logs of other jobs.
const FAIR_SHARE_BYTES: usize = 64 << 10;

/// What the logs of one engine may hold together and each, in bytes.
#[derive(Debug)]
pub(super) struct Budget {
    job_limit: usize,
    limit: usize,
    overflow: LogOverflow,
    used: AtomicUsize,
    /// Jobs that are paused because all logs together hold too much.
    held_up: Mutex<HashMap<u64, Arc<Cell>>>,
}

impl Budget {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            job_limit: config.job_log_bytes,
            limit: config.log_bytes,
            overflow: config.log_overflow,
            used: AtomicUsize::new(0),
            held_up: Mutex::default(),
        }
    }

    pub(super) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether a job may make room by itself when its log has grown, or waits for a reader.
    pub(super) fn drops_read(&self) -> bool {
        match self.overflow {
            LogOverflow::DropRead => true,
            LogOverflow::Pause => false,
        }
    }

    /// By how much a log of `bytes` is over its own limit, and over what is left of the common one.
    pub(super) fn over(&self, bytes: usize) -> (usize, usize) {
        let over_all = if bytes > FAIR_SHARE_BYTES { self.over_all() } else { 0 };
        (bytes.saturating_sub(self.job_limit), over_all)
    }

    /// By how much all logs together are over their limit.
    pub(super) fn over_all(&self) -> usize {
        self.used.load(Ordering::Relaxed).saturating_sub(self.limit)
    }

    /// The job is paused until there is room again. It calls [`resume`](Self::resume) afterwards: a reader that makes room finds
    /// it here, or it finds the room itself.
    pub(super) fn hold_up(&self, cell: &Arc<Cell>) {
        lock(&self.held_up).insert(cell.id, Arc::clone(cell));
    }

    /// Unpauses the jobs that were paused for lack of room, if there is some. Never called with a cell's lock held.
    pub(super) fn resume(&self) {
        let mut held_up = lock(&self.held_up);
        if held_up.is_empty() || self.over_all() > 0 {
            return;
        }
        let cells = std::mem::take(&mut *held_up);
        drop(held_up);
        for cell in cells.into_values() {
            cell.make_room();
        }
    }
}
