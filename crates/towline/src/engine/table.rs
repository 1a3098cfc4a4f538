//! Which jobs there are, which of them may run, and which have changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::cell::Cell;
use super::wake::Wake;
use super::{EngineConfig, Job, JobInfo, lock};

/// The most changed jobs that are listed one by one; beyond, all are reported.
const MAX_LISTED_CHANGES: usize = 65_536;

/// The job table of one engine.
#[derive(Debug)]
pub(super) struct Table {
    next_id: AtomicU64,
    max_running: usize,
    max_per_host: usize,
    max_ended: usize,
    jobs: Mutex<Jobs>,
    changes: Mutex<Listed>,
    /// Somebody looks at changes.
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Jobs {
    /// No new job is taken.
    closed: bool,
    live: HashMap<u64, Arc<Cell>>,
    ended: BTreeMap<u64, Arc<Cell>>,
    running: usize,
    /// Jobs that wait, by their server: the first of each is the next of its server.
    hosts: HashMap<Option<Arc<str>>, Host>,
}

#[derive(Debug, Default)]
struct Host {
    running: usize,
    /// Ordered by falling priority, then by age.
    queue: BTreeMap<(i64, u64), Arc<Cell>>,
}

#[derive(Debug, Default)]
struct Listed {
    cells: Vec<Arc<Cell>>,
    overflowed: bool,
}

/// The jobs that changed since the last look.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Each changed job as it is now, in the order in which they first changed.
    pub jobs: Vec<JobInfo>,
    /// So many jobs changed that all were listed: those that are missing are gone.
    pub all: bool,
}

impl Table {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            next_id: AtomicU64::new(1),
            max_running: config.max_running,
            max_per_host: config.max_per_host,
            max_ended: config.max_ended,
            jobs: Mutex::default(),
            changes: Mutex::default(),
            watched: AtomicBool::new(false),
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a new job and lets it run if there is room; `false` when the engine takes no more.
    pub(super) fn add(&self, cell: &Arc<Cell>) -> bool {
        let mut jobs = lock(&self.jobs);
        if jobs.closed {
            return false;
        }
        jobs.live.insert(cell.id, Arc::clone(cell));
        if cell.host.is_none() && jobs.running < self.max_running && jobs.hosts.is_empty() {
            // The common case: no queue anywhere and no limit that could bite.
            jobs.running += 1;
            drop(jobs);
            cell.admit();
            return true;
        }
        let host = jobs.hosts.entry(cell.host.clone()).or_default();
        host.queue.insert((-i64::from(cell.priority), cell.id), Arc::clone(cell));
        self.admit_from(jobs);
        true
    }

    /// A job has ended: it leaves the queue or makes room for another, and is kept for a while.
    pub(super) fn ended(&self, cell: &Arc<Cell>) {
        let mut jobs = lock(&self.jobs);
        if jobs.live.remove(&cell.id).is_none() {
            return;
        }
        jobs.ended.insert(cell.id, Arc::clone(cell));
        let mut forgotten = Vec::new();
        while jobs.ended.len() > self.max_ended {
            forgotten.extend(jobs.ended.pop_first());
        }
        match jobs.hosts.get_mut(&cell.host) {
            Some(host) => {
                if host.queue.remove(&(-i64::from(cell.priority), cell.id)).is_none() {
                    host.running = host.running.saturating_sub(1);
                    jobs.running = jobs.running.saturating_sub(1);
                }
            }
            None => jobs.running = jobs.running.saturating_sub(1),
        }
        self.admit_from(jobs);
        // Cells may be freed here, outside the lock.
        drop(forgotten);
    }

    /// Lets jobs run while there is room, the highest priority and then the oldest first.
    fn admit_from(&self, mut jobs: std::sync::MutexGuard<'_, Jobs>) {
        let mut admitted = Vec::new();
        while jobs.running < self.max_running {
            let next = jobs
                .hosts
                .iter()
                .filter(|(name, host)| name.is_none() || host.running < self.max_per_host)
                .filter_map(|(name, host)| Some((*host.queue.keys().next()?, name.clone())))
                .min_by_key(|(key, _)| *key);
            let Some((key, name)) = next else { break };
            let Some(host) = jobs.hosts.get_mut(&name) else { break };
            admitted.extend(host.queue.remove(&key));
            host.running += 1;
            jobs.running += 1;
        }
        jobs.hosts.retain(|_, host| host.running > 0 || !host.queue.is_empty());
        drop(jobs);
        for cell in admitted {
            cell.admit();
        }
    }

    /// Takes no further job.
    pub(super) fn close(&self) {
        lock(&self.jobs).closed = true;
    }

    /// The jobs that have not ended, oldest first.
    pub(super) fn live(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<_> = lock(&self.jobs).live.values().cloned().collect();
        cells.sort_by_key(|cell| cell.id);
        cells
    }

    /// All jobs that are known, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        let jobs = lock(&self.jobs);
        let mut cells: Vec<_> = jobs.live.values().chain(jobs.ended.values()).cloned().collect();
        drop(jobs);
        cells.sort_by_key(|cell| cell.id);
        cells
    }

    pub(super) fn find(&self, id: u64) -> Option<Job> {
        let jobs = lock(&self.jobs);
        jobs.live.get(&id).or_else(|| jobs.ended.get(&id)).cloned().map(Job::of)
    }

    /// Forgets a job that has ended; `false` for one that has not.
    pub(super) fn forget(&self, id: u64) -> bool {
        let mut jobs = lock(&self.jobs);
        let forgotten = jobs.ended.remove(&id);
        let known = forgotten.is_some() || !jobs.live.contains_key(&id);
        drop(jobs);
        drop(forgotten);
        known
    }

    /// A job has something new: it is listed once, and the foreground is woken once, until it looks.
    pub(super) fn changed(&self, cell: &Arc<Cell>, wake: &Wake) {
        if !self.watched.load(Ordering::Acquire) || cell.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut listed = lock(&self.changes);
        if listed.cells.len() < MAX_LISTED_CHANGES {
            listed.cells.push(Arc::clone(cell));
        } else {
            listed.overflowed = true;
        }
        drop(listed);
        wake.signal();
    }

    /// Begins to list changes.
    pub(super) fn watch(&self) {
        self.watched.store(true, Ordering::Release);
    }

    pub(super) fn take_changes(&self) -> Changes {
        let listed = std::mem::take(&mut *lock(&self.changes));
        let cells = if listed.overflowed { self.all() } else { listed.cells };
        // A change that comes after this line lists the job again.
        for cell in &cells {
            cell.listed.store(false, Ordering::Release);
        }
        Changes { jobs: cells.iter().map(|cell| cell.info()).collect(), all: listed.overflowed }
    }
}
