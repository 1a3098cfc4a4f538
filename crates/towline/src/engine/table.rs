//! The table of all jobs: which exist, which may run, and which have changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::budget::Budget;
use super::cell::Cell;
use super::wake::Wake;
use super::{EngineConfig, Job, JobInfo, lock};

/// The maximum number of changed jobs that are listed individually; beyond it, all jobs are reported.
const MAX_LISTED_CHANGES: usize = 4_096;

/// The job table of one engine.
#[derive(Debug)]
pub(super) struct Table {
    next_id: AtomicU64,
    max_running: usize,
    max_per_host: usize,
    max_ended: usize,
    jobs: Mutex<Jobs>,
    changes: Mutex<ChangedCells>,
    /// A foreground reads the changes.
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Jobs {
    /// No new jobs are accepted.
    closed: bool,
    /// No queued job may start any more.
    halted: bool,
    /// All known jobs by number, oldest first.
    known: BTreeMap<u64, TableEntry>,
    /// The numbers of the known jobs that have ended, in the order of their ends.
    ended: BTreeMap<u64, u64>,
    next_end: u64,
    running: usize,
    queued: usize,
    hosts: HashMap<Option<Arc<str>>, Host>,
}

#[derive(Debug)]
struct TableEntry {
    cell: Arc<Cell>,
    /// The job's position among the ended jobs.
    ended: Option<u64>,
}

/// The jobs of one server; those without a server have no name.
#[derive(Debug, Default)]
struct Host {
    running: usize,
    /// Ordered by descending priority, then by age.
    queue: BTreeMap<(i64, u64), Arc<Cell>>,
}

#[derive(Debug, Default)]
struct ChangedCells {
    cells: Vec<Arc<Cell>>,
    /// More jobs changed than can be listed, so none is listed and all are reported.
    overflowed: bool,
    /// The foreground was woken and has not read the changes since.
    signalled: bool,
}

/// The jobs that changed since the last call.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// A snapshot of each changed job, in the order in which the jobs first changed.
    pub jobs: Vec<JobInfo>,
    /// `true` if all jobs are listed, oldest first, because many changed or because this is the first call.
    /// Jobs that are missing from the list were forgotten.
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

    /// Adds a new job and lets it run if there is room; `false` if the engine accepts no more jobs.
    pub(super) fn add(&self, cell: &Arc<Cell>) -> bool {
        let mut jobs = lock(&self.jobs);
        if jobs.closed {
            return false;
        }
        jobs.known.insert(cell.id, TableEntry { cell: Arc::clone(cell), ended: None });
        let waits = jobs.queued > 0
            || jobs.running >= self.max_running
            || (cell.host.is_some() && jobs.host(cell).running >= self.max_per_host);
        if waits {
            jobs.queued += 1;
            jobs.host(cell).queue.insert(place(cell), Arc::clone(cell));
            // All queued jobs may be waiting for another server.
            let next = self.next(&mut jobs);
            drop(jobs);
            admit(next);
        } else {
            jobs.begin(cell);
            drop(jobs);
            cell.admit();
        }
        true
    }

    /// Handles the end of a job: it leaves the queue or makes room for another job, and stays in the table
    /// for a while.
    pub(super) fn ended(&self, cell: &Arc<Cell>) {
        let mut jobs = lock(&self.jobs);
        let end = jobs.next_end;
        match jobs.known.get_mut(&cell.id) {
            Some(known) if known.ended.is_none() => known.ended = Some(end),
            Some(_) | None => return,
        }
        jobs.ended.insert(end, cell.id);
        jobs.next_end += 1;
        jobs.dequeue(cell);
        let oldest = if jobs.ended.len() > self.max_ended { jobs.ended.pop_first() } else { None };
        let forgotten = oldest.and_then(|(_, id)| jobs.known.remove(&id));
        let next = self.next(&mut jobs);
        drop(jobs);
        // Cells are freed outside the lock.
        drop(forgotten);
        admit(next);
    }

    /// The job that may run now: the one with the highest priority, then the oldest. It counts as running
    /// from here on. A job that ends or is added makes room for at most one job, because there was no room
    /// before.
    fn next(&self, jobs: &mut Jobs) -> Option<Arc<Cell>> {
        if jobs.queued == 0 || jobs.halted || jobs.running >= self.max_running {
            return None;
        }
        let next = jobs
            .hosts
            .iter()
            .filter(|(name, host)| name.is_none() || host.running < self.max_per_host)
            .filter_map(|(_, host)| host.queue.first_key_value())
            .min_by_key(|(place, _)| **place)
            .map(|(_, cell)| Arc::clone(cell))?;
        jobs.host(&next).queue.remove(&place(&next));
        jobs.queued -= 1;
        jobs.begin(&next);
        Some(next)
    }

    /// Stops accepting jobs.
    pub(super) fn close(&self) {
        lock(&self.jobs).closed = true;
    }

    /// Keeps queued jobs from starting: no job uses the room that a stopped job makes.
    pub(super) fn halt(&self) {
        lock(&self.jobs).halted = true;
    }

    /// All jobs that have not ended, oldest first.
    pub(super) fn live(&self) -> Vec<Arc<Cell>> {
        self.listed(|known| known.ended.is_none())
    }

    /// All known jobs, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        self.listed(|_| true)
    }

    fn listed(&self, wanted: impl Fn(&TableEntry) -> bool) -> Vec<Arc<Cell>> {
        let jobs = lock(&self.jobs);
        let wanted = jobs.known.values().filter(|known| wanted(known));
        wanted.map(|known| Arc::clone(&known.cell)).collect()
    }

    pub(super) fn find(&self, id: u64) -> Option<Job> {
        lock(&self.jobs).known.get(&id).map(|known| Job::of(Arc::clone(&known.cell)))
    }

    /// Forgets a job that has ended; `false` if it has not ended or is not known.
    pub(super) fn forget(&self, id: u64) -> bool {
        let Some(job) = self.find(id).filter(|job| job.outcome().is_some()) else { return false };
        // The end of the job may be visible before the table knows of it.
        self.ended(&job.cell);
        let mut jobs = lock(&self.jobs);
        let forgotten = jobs.known.remove(&id);
        if let Some(TableEntry { ended: Some(end), .. }) = &forgotten {
            jobs.ended.remove(end);
        }
        drop(jobs);
        forgotten.is_some()
    }

    /// Makes room in the common budget: drops read text from the logs of ended jobs, in the order of their
    /// ends.
    pub(super) fn drop_read(&self, budget: &Budget) {
        let jobs = lock(&self.jobs);
        let ended = jobs.ended.values().filter_map(|id| jobs.known.get(id));
        let cells: Vec<_> = ended.map(|known| Arc::clone(&known.cell)).collect();
        drop(jobs);
        for cell in cells {
            let over = budget.over_all();
            if over == 0 {
                return;
            }
            budget.release(cell.drop_read(over));
        }
    }

    /// Marks a job as changed: the job is listed once, and the foreground is woken once until it reads the
    /// changes.
    #[inline]
    pub(super) fn changed(&self, cell: &Arc<Cell>, wake: &Wake) {
        if self.watched.load(Ordering::Acquire) {
            self.list(cell, wake);
        }
    }

    fn list(&self, cell: &Arc<Cell>, wake: &Wake) {
        let mut listed = lock(&self.changes);
        if cell.listed.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut unlisted = Vec::new();
        if listed.cells.len() >= MAX_LISTED_CHANGES {
            listed.overflowed = true;
            unlisted = std::mem::take(&mut listed.cells);
        }
        if !listed.overflowed {
            listed.cells.push(Arc::clone(cell));
        }
        let signalled = std::mem::replace(&mut listed.signalled, true);
        drop(listed);
        drop(unlisted);
        if !signalled {
            wake.signal();
        }
    }

    /// Starts to list changes; the first read returns all jobs.
    pub(super) fn watch(&self) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            lock(&self.changes).overflowed = true;
        }
    }

    pub(super) fn take_changes(&self) -> Changes {
        let mut listed = lock(&self.changes);
        let ChangedCells { cells, overflowed, .. } = std::mem::take(&mut *listed);
        let cells = if overflowed {
            drop(listed);
            let all = self.all();
            listed = lock(&self.changes);
            all
        } else {
            cells
        };
        // A later change lists the job again; an earlier one is seen below.
        for cell in &cells {
            cell.listed.store(false, Ordering::Relaxed);
        }
        drop(listed);
        Changes { jobs: cells.iter().map(|cell| cell.info()).collect(), all: overflowed }
    }
}

impl Jobs {
    fn host(&mut self, cell: &Cell) -> &mut Host {
        self.hosts.entry(cell.host.clone()).or_default()
    }

    fn begin(&mut self, cell: &Cell) {
        self.running += 1;
        if cell.host.is_some() {
            self.host(cell).running += 1;
        }
    }

    /// Removes a job from the queue, or from the running jobs.
    fn dequeue(&mut self, cell: &Cell) {
        if self.queued == 0 && cell.host.is_none() {
            self.running -= 1;
            return;
        }
        let host = self.hosts.get_mut(&cell.host);
        let was_queued = match host {
            Some(host) => {
                let was_queued = host.queue.remove(&place(cell)).is_some();
                if !was_queued && cell.host.is_some() {
                    host.running -= 1;
                }
                if host.running == 0 && host.queue.is_empty() {
                    self.hosts.remove(&cell.host);
                }
                was_queued
            }
            None => false,
        };
        if was_queued {
            self.queued -= 1;
        } else {
            self.running -= 1;
        }
    }
}

fn place(cell: &Cell) -> (i64, u64) {
    (-i64::from(cell.priority), cell.id)
}

fn admit(cell: Option<Arc<Cell>>) {
    if let Some(cell) = cell {
        cell.admit();
    }
}
