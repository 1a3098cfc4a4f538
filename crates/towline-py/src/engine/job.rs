//! The handle of a job, and the cursor on its log.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use towline::engine::{From as ReadFrom, Group, Reader};
use towline::{Deadline, Job};

use super::bell::{Wait, lock, seconds};
use super::forked::Here;
use super::outcome::{PyEvent, PyOutcome};

/// A job. It may be used from any thread; no call waits.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct JobCore {
    /// Known without the engine, so that it can be shown in a forked process too.
    #[pyo3(get)]
    id: u64,
    job: Here<Job>,
}

impl From<Job> for JobCore {
    fn from(job: Job) -> Self {
        Self { id: job.id().0, job: Here::new(job) }
    }
}

impl JobCore {
    pub(crate) fn job(&self) -> PyResult<&Job> {
        self.job.get()
    }
}

/// A job at one moment.
#[pyclass(frozen, get_all, module = "towline")]
pub(crate) struct JobInfo {
    /// The job's number, unique in its engine.
    id: u64,
    /// Its name.
    name: String,
    /// The group it belongs to.
    group: Option<String>,
    /// The model it asks.
    model: Option<String>,
    /// What it is doing.
    state: &'static str,
    /// Records received.
    records: u64,
    /// Pieces of text received.
    tokens: u64,
    /// Tokens a second since the first one.
    tokens_per_second: f64,
    /// Seconds since it was submitted; stops at its end.
    age: f64,
    /// Seconds since its last event, while it receives.
    since_last_event: Option<f64>,
    /// Seconds until its deadline.
    deadline_in: Option<f64>,
    /// Bytes its log holds.
    log_bytes: usize,
}

impl From<towline::engine::JobInfo> for JobInfo {
    fn from(info: towline::engine::JobInfo) -> Self {
        Self {
            id: info.id.0,
            name: info.name.to_string(),
            group: info.group.as_deref().map(str::to_owned),
            model: info.model.as_deref().map(str::to_owned),
            state: info.state.as_str(),
            records: info.records,
            tokens: info.tokens,
            tokens_per_second: info.tokens_per_second,
            age: info.age.as_secs_f64(),
            since_last_event: info.since_last_event.map(|time| time.as_secs_f64()),
            deadline_in: info.deadline_in.map(|time| time.as_secs_f64()),
            log_bytes: info.log_bytes,
        }
    }
}

#[pymethods]
impl JobCore {
    fn info(&self) -> PyResult<JobInfo> {
        Ok(self.job()?.info().into())
    }

    fn state(&self) -> PyResult<&'static str> {
        Ok(self.job()?.state().as_str())
    }

    fn has_ended(&self) -> PyResult<bool> {
        Ok(self.job()?.state().is_ended())
    }

    fn text(&self) -> PyResult<String> {
        Ok(self.job()?.text_so_far())
    }

    fn rename(&self, name: &str) -> PyResult<()> {
        self.job()?.rename(name);
        Ok(())
    }

    fn cancel(&self, reason: &str, now: bool) -> PyResult<()> {
        let job = self.job()?;
        if now {
            job.cancel_now(reason)
        } else {
            job.cancel(reason)
        }
        Ok(())
    }

    fn pause(&self, paused: bool) -> PyResult<()> {
        let job = self.job()?;
        if paused {
            job.pause()
        } else {
            job.unpause()
        }
        Ok(())
    }

    /// The time the job has from now on; `None` for as long as it takes.
    #[pyo3(signature = (time))]
    fn set_deadline(&self, time: Option<f64>) -> PyResult<()> {
        let time = time.map(|time| seconds("deadline", time)).transpose()?.flatten();
        self.job()?.set_deadline(time.map_or(Deadline::Never, Deadline::In));
        Ok(())
    }

    fn extend(&self, time: f64) -> PyResult<()> {
        let time = seconds("the time to extend by", time)?;
        self.job()?.set_deadline(time.map_or(Deadline::Never, Deadline::ExtendBy));
        Ok(())
    }

    fn outcome(&self) -> PyResult<Option<PyOutcome>> {
        Ok(self.job()?.outcome().map(PyOutcome::from))
    }

    fn retry(&self) -> PyResult<Option<Self>> {
        Ok(self.job()?.retry().map(Self::from))
    }

    /// The end of the job.
    fn ended(&self) -> PyResult<Wait> {
        let job = self.job()?.clone();
        Ok(Wait::on(async move { drop(job.await) }))
    }

    fn cursor(&self) -> PyResult<Cursor> {
        let reader = self.job()?.reader(ReadFrom::Start);
        Ok(Cursor { reader: Here::new(Mutex::new(reader)) })
    }
}

/// A place in a job's log. Dropping it leaves the job alone.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Cursor {
    reader: Here<Mutex<Reader>>,
}

#[pymethods]
impl Cursor {
    /// What is new, adjacent text joined where it fell behind; `None` after the end. Never waits.
    fn take(&self) -> PyResult<Option<Vec<PyEvent>>> {
        let mut reader = lock(self.reader.get()?);
        match reader.try_read() {
            Some(batch) => Ok(Some(batch.events.into_iter().map(PyEvent::from).collect())),
            None if reader.is_ended() => Ok(None),
            None => Ok(Some(Vec::new())),
        }
    }

    /// Something new, or the end.
    fn news(&self) -> PyResult<Wait> {
        Ok(Wait::on(lock(self.reader.get()?).news()))
    }
}

fn group(jobs: Vec<PyRef<'_, JobCore>>) -> PyResult<Group> {
    let jobs: PyResult<Vec<Job>> = jobs.iter().map(|job| job.job().cloned()).collect();
    Ok(Group::of(jobs?))
}

/// The end of the first of `jobs`.
#[pyfunction]
pub(crate) fn any_ended(jobs: Vec<PyRef<'_, JobCore>>) -> PyResult<Wait> {
    let group = group(jobs)?;
    Ok(Wait::on(async move { drop(group.first().await) }))
}

/// The end of all `jobs`.
#[pyfunction]
pub(crate) fn all_ended(jobs: Vec<PyRef<'_, JobCore>>) -> PyResult<Wait> {
    let group = group(jobs)?;
    Ok(Wait::on(async move {
        let _outcomes: Vec<Arc<towline::Outcome>> = group.all().await;
    }))
}
