//! What is new in all jobs of an engine, merged for each, for a foreground that draws.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use towline::engine::{From as ReadFrom, JobId, JobInfo, Reader};
use towline::{Engine, Event};

use super::job::{self, JobCore};
use super::outcome::PyEvent;

/// What is new of one job since the last look.
#[pyclass(frozen, get_all, module = "towline")]
pub(crate) struct Update {
    /// The job.
    job: Py<PyAny>,
    /// What it is at this moment.
    info: Py<job::JobInfo>,
    /// What came of the answer, joined.
    text: String,
    /// What came of the reasoning, joined.
    thinking: String,
    /// Everything else that came.
    events: Vec<Py<PyEvent>>,
    /// Whether this is the job's last update.
    ended: bool,
}

/// The places up to where a foreground has seen each job.
#[derive(Default)]
pub(crate) struct Seen {
    readers: HashMap<JobId, Reader>,
    /// Changed and not looked at yet, each job once, and those that were there when the last look began.
    changed: VecDeque<JobInfo>,
    listed: HashSet<JobId>,
}

/// News of one job, before Python sees it.
pub(crate) struct News {
    core: towline::Job,
    info: JobInfo,
    text: String,
    thinking: String,
    others: Vec<Event>,
    ended: bool,
}

impl Seen {
    /// Looks at up to `max_items` jobs for about `max_time`. What is left is for the next look, and wakes it.
    pub(crate) fn look(
        &mut self,
        engine: &Engine,
        max_items: usize,
        max_time: Option<Duration>,
    ) -> Vec<News> {
        let until = max_time.and_then(|time| Instant::now().checked_add(time));
        for info in engine.changes().jobs {
            if self.listed.insert(info.id) {
                self.changed.push_back(info);
            }
        }
        let mut news = Vec::new();
        while news.len() < max_items && (news.is_empty() || until.is_none_or(|until| Instant::now() < until))
        {
            let Some(info) = self.changed.pop_front() else { break };
            self.listed.remove(&info.id);
            news.extend(self.look_at(engine, info));
        }
        if !self.changed.is_empty() {
            engine.wake_foreground();
        }
        news
    }

    fn look_at(&mut self, engine: &Engine, listed: JobInfo) -> Option<News> {
        let core = engine.job(listed.id)?;
        let reader = self.readers.entry(listed.id).or_insert_with(|| core.reader(ReadFrom::Start));
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

    /// Forgets the readers of jobs that the engine has forgotten.
    pub(crate) fn forget(&mut self, engine: &Engine) {
        self.readers.retain(|id, _| engine.job(*id).is_some());
    }
}

impl News {
    /// `wrap` makes the `Job` that the user knows.
    pub(crate) fn into_update(self, py: Python<'_>, wrap: &Bound<'_, PyAny>) -> PyResult<Update> {
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
