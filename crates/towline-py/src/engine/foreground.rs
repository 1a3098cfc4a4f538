//! The news of all jobs of an engine, merged for each job, for any number of foregrounds that draw them.
//!
//! The engine reports a change once, to one listener. The foreground that polls passes changes on to all others, so each
//! sees every change at its own pace, and is woken at most once until it polls.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use towline::engine::{JobId, JobInfo, Reader, StartAt, WeakEngine};
use towline::{Engine, Event};

use super::bell::{Bell, failed, seconds};
use super::job::{self, JobCore};
use super::outcome::PyEvent;
use crate::forked::ProcessBound;
use crate::leaf::Leaf;

/// The number of polls after which readers of forgotten jobs are removed.
const FORGET_EVERY: u64 = 1_000;

/// The news of one job since the last poll.
///
/// ::
///
///    for update in engine.drain():
///        print(update.job.id, update.text, update.ended)
#[pyclass(frozen, get_all, module = "towline")]
pub(crate) struct Update {
    /// The job.
    job: Py<PyAny>,
    /// Its current state and counters.
    info: Py<job::JobInfo>,
    /// The new text of the answer, joined.
    text: String,
    /// The new text of the reasoning, joined.
    thinking: String,
    /// All other new events.
    events: Vec<Py<PyEvent>>,
    /// Whether this is the job's last update.
    ended: bool,
}

/// The foregrounds of one engine.
#[derive(Debug, Default)]
pub(crate) struct Foregrounds {
    all: Leaf<Vec<Weak<ChangeQueue>>>,
}

/// The changes that one foreground has not read yet.
#[derive(Debug)]
struct ChangeQueue {
    bell: Bell,
    changed: Leaf<Changed>,
}

/// The jobs that changed since the last poll, each once.
#[derive(Debug, Default)]
struct Changed {
    jobs: VecDeque<JobId>,
    listed: HashSet<JobId>,
}

impl Changed {
    /// Adds jobs; returns whether any of them is new.
    fn add(&mut self, jobs: &[JobId]) -> bool {
        let before = self.jobs.len();
        self.jobs.extend(jobs.iter().filter(|id| self.listed.insert(**id)));
        self.jobs.len() > before
    }

    fn pop(&mut self) -> Option<JobId> {
        let id = self.jobs.pop_front()?;
        self.listed.remove(&id);
        Some(id)
    }
}

impl Foregrounds {
    /// Opens another foreground, which finds all jobs at its first poll.
    ///
    /// # Errors
    /// `OSError` if the operating system has no free thread or descriptor.
    pub(crate) fn open(self: &Arc<Self>, engine: &Engine) -> PyResult<Foreground> {
        let queue = Arc::new(ChangeQueue { bell: Bell::new()?, changed: Leaf::default() });
        self.all.with(|all| all.push(Arc::downgrade(&queue)));
        let all = Arc::clone(self);
        // Only the first hook is used, and after the engine's end there are no changes.
        engine.on_change(move || all.ring()).map_err(failed)?;
        let jobs: Vec<JobId> = engine.jobs().iter().map(towline::Job::id).collect();
        queue.changed.with(|changed| changed.add(&jobs));
        queue.bell.ring();
        let positions = ReadPositions { engine: engine.downgrade(), readers: HashMap::new(), polls: 0 };
        Ok(Foreground {
            queue: ProcessBound::new(queue),
            others: Arc::clone(self),
            positions: ProcessBound::new(Leaf::new(positions)),
        })
    }

    fn queues(&self) -> Vec<Arc<ChangeQueue>> {
        self.all.with(|all| {
            all.retain(|queue| queue.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        })
    }

    /// Wakes all foregrounds after a change; the first one that reads passes the change on.
    fn ring(&self) {
        for queue in self.queues() {
            queue.bell.ring();
        }
    }

    fn forward(&self, changes: &[JobId], own: &Arc<ChangeQueue>) {
        for queue in self.queues() {
            if queue.changed.with(|changed| changed.add(changes)) && !Arc::ptr_eq(&queue, own) {
                queue.bell.ring();
            }
        }
    }
}

/// One foreground's view of an engine's jobs. Dropping it does not affect the others.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Foreground {
    queue: ProcessBound<Arc<ChangeQueue>>,
    others: Arc<Foregrounds>,
    positions: ProcessBound<Leaf<ReadPositions>>,
}

/// The position up to which a foreground has read each job.
struct ReadPositions {
    engine: WeakEngine,
    readers: HashMap<JobId, Reader>,
    polls: u64,
}

/// The news of one job, before they become Python objects.
struct News {
    core: towline::Job,
    info: JobInfo,
    text: String,
    thinking: String,
    others: Vec<Event>,
    ended: bool,
}

#[pymethods]
impl Foreground {
    /// The descriptor, which is readable if there is news, and at first.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.queue.get()?.bell.fileno())
    }

    /// Makes `fileno()` readable.
    fn wake(&self) -> PyResult<()> {
        self.queue.get()?.bell.ring();
        Ok(())
    }

    /// The news of up to `max_items` jobs; takes about `max_ms` milliseconds at most. `wrap` makes a job from a core.
    fn drain(
        &self,
        py: Python<'_>,
        max_items: usize,
        max_ms: f64,
        wrap: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Update>> {
        let time = seconds("max_ms", max_ms / 1e3)?;
        let (queue, positions) = (self.queue.get()?, self.positions.get()?);
        let news = py.detach(|| {
            positions.with(|positions| positions.poll(queue, &self.others, max_items.max(1), time))
        });
        news.into_iter().map(|news| news.into_update(py, wrap)).collect()
    }
}

impl ReadPositions {
    /// Reads the news of up to `max_items` jobs for about `max_time`. The rest waits for the next poll, and wakes it.
    fn poll(
        &mut self,
        queue: &Arc<ChangeQueue>,
        others: &Foregrounds,
        max_items: usize,
        max_time: Option<Duration>,
    ) -> Vec<News> {
        queue.bell.quiet();
        let Some(engine) = self.engine.upgrade() else { return Vec::new() };
        let until = max_time.and_then(|time| Instant::now().checked_add(time));
        let changes: Vec<JobId> = engine.changes().jobs.iter().map(|info| info.id).collect();
        others.forward(&changes, queue);
        let mut news = Vec::new();
        while news.len() < max_items && (news.is_empty() || until.is_none_or(|until| Instant::now() < until))
        {
            let Some(id) = queue.changed.with(Changed::pop) else { break };
            news.extend(self.read_job(&engine, id));
        }
        if queue.changed.with(|changed| !changed.jobs.is_empty()) {
            queue.bell.ring();
        }
        self.polls += 1;
        if self.polls.is_multiple_of(FORGET_EVERY) {
            self.readers.retain(|id, _| engine.job(*id).is_some());
        }
        news
    }

    fn read_job(&mut self, engine: &Engine, id: JobId) -> Option<News> {
        let core = engine.job(id)?;
        let reader = self.readers.entry(id).or_insert_with(|| core.reader(StartAt::Beginning));
        if reader.is_ended() {
            return None;
        }
        let (mut text, mut thinking, mut others) = (String::new(), String::new(), Vec::new());
        while let Some(batch) = reader.try_read() {
            for event in batch.events {
                match event {
                    Event::Text(piece) => text.push_str(&piece),
                    Event::Thinking(piece) => thinking.push_str(&piece),
                    other @ (Event::ToolCall(_)
                    | Event::Image(_)
                    | Event::Logprobs(_)
                    | Event::Progress(_)
                    | Event::Usage(_)) => others.push(other),
                }
            }
        }
        let ended = reader.is_ended();
        let info = core.info();
        Some(News { core, info, text, thinking, others, ended })
    }
}

impl News {
    /// `wrap` makes the public `Job`.
    fn into_update(self, py: Python<'_>, wrap: &Bound<'_, PyAny>) -> PyResult<Update> {
        let others = self.others.into_iter().map(|event| Py::new(py, PyEvent::from(event)));
        Ok(Update {
            job: wrap.call1((JobCore::from(self.core),))?.unbind(),
            info: Py::new(py, job::JobInfo::from(self.info))?,
            text: self.text,
            thinking: self.thinking,
            events: others.collect::<PyResult<_>>()?,
            ended: self.ended,
        })
    }
}
