//! The handle of a job, and the cursor on its log.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use towline::engine::JobState;
use towline::engine::{Reader, StartAt};
use towline::{Deadline, Job};

use super::bell::{Wait, seconds};
use super::outcome::{PyEvent, PyOutcome};
use crate::forked::ProcessBound;
use crate::leaf::Leaf;

/// A job. Any thread may use it; no call waits.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct JobCore {
    /// A copy, so that a forked process can show it too.
    #[pyo3(get)]
    id: u64,
    job: ProcessBound<Job>,
}

impl From<Job> for JobCore {
    fn from(job: Job) -> Self {
        Self { id: job.id().0, job: ProcessBound::new(job) }
    }
}

impl JobCore {
    pub(crate) fn job(&self) -> PyResult<&Job> {
        self.job.get()
    }
}

/// A snapshot of a job.
///
/// ::
///
///    print(job.info.state, job.info.tokens, job.info.log_full)
#[pyclass(frozen, get_all, module = "towline")]
pub(crate) struct JobInfo {
    /// The job's number, unique in its engine.
    id: u64,
    /// Its name.
    name: String,
    /// Its group.
    group: Option<String>,
    /// Its model.
    model: Option<String>,
    /// Its state.
    state: &'static str,
    /// Records received.
    records: u64,
    /// Pieces of text received.
    tokens: u64,
    /// Tokens per second since the first one.
    tokens_per_second: f64,
    /// Seconds since it was submitted, or between that and its end.
    age: f64,
    /// Seconds since its last event, while it receives.
    since_last_event: Option<f64>,
    /// Seconds until its deadline.
    deadline_in: Option<f64>,
    /// Size of its log in bytes.
    log_bytes: usize,
    /// Whether it is paused because its log is full of unread events.
    log_full: bool,
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
            log_full: info.log_full,
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

    /// Sets the deadline of the job to this time from now; `None` for no deadline.
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

    fn relay_id(&self) -> PyResult<Option<String>> {
        Ok(self.job()?.relay_id().map(|id| id.to_string()))
    }

    /// Detaches from the stream, which its relay continues, and returns its id there.
    fn detach(&self) -> PyResult<Option<String>> {
        Ok(self.job()?.detach().map(|id| id.to_string()))
    }

    fn outcome(&self) -> PyResult<Option<PyOutcome>> {
        Ok(self.job()?.outcome().map(PyOutcome::from))
    }

    fn retry(&self) -> PyResult<Option<Self>> {
        Ok(self.job()?.retry().map(Self::from))
    }

    /// A wait for the end of the job.
    fn ended(&self) -> PyResult<Wait> {
        Ok(Wait::on(drop_outcome(ended(self.job()?.clone()))))
    }

    fn cursor(&self) -> PyResult<Cursor> {
        let reader = self.job()?.reader(StartAt::Beginning);
        Ok(Cursor { reader: ProcessBound::new(Leaf::new(reader)) })
    }
}

/// A position in a job's log. Dropping it does not affect the job.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Cursor {
    reader: ProcessBound<Leaf<Reader>>,
}

#[pymethods]
impl Cursor {
    /// The new events, with adjacent text joined if the reader fell behind; `None` after the end. Never
    /// waits.
    fn take(&self) -> PyResult<Option<Vec<PyEvent>>> {
        let read = self.reader.get()?.with(|reader| match reader.try_read() {
            Some(batch) => Some(batch.events),
            None if reader.is_ended() => None,
            None => Some(Vec::new()),
        });
        Ok(read.map(|events| events.into_iter().map(PyEvent::from).collect()))
    }

    /// A wait for a new event or the end.
    fn news(&self) -> PyResult<Wait> {
        Ok(Wait::on(self.reader.get()?.with(|reader| -> Awaited<()> { Box::pin(reader.news()) })))
    }
}

type Awaited<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Waits for the end of a job. A waiter does not need the log, so a full log is skipped and does not block
/// the job.
async fn ended(job: Job) -> bool {
    loop {
        let news = job.reader(StartAt::Now).news();
        if let Some(outcome) = job.outcome() {
            return outcome.is_completed();
        }
        if job.state() == JobState::Paused {
            let mut unread = job.reader(StartAt::Beginning);
            while unread.try_read().is_some() {}
        }
        news.await;
    }
}

async fn drop_outcome(ended: impl Future<Output = bool>) {
    ended.await;
}

/// A wait for the end of all `jobs`; with `first` for the end of one; with `failure` for the end of one that did not
/// complete, or of all.
#[pyfunction]
pub(crate) fn jobs_ended(jobs: Vec<PyRef<'_, JobCore>>, until: &str) -> PyResult<Wait> {
    let (at_success, at_failure) = match until {
        "all" => (false, false),
        "first" => (true, true),
        "failure" => (false, true),
        other => {
            return Err(PyValueError::new_err(format!(
                "until must be \"all\", \"first\" or \"failure\", not {other:?}"
            )));
        }
    };
    let mut live = Vec::with_capacity(jobs.len());
    for job in jobs {
        let ended: Awaited<bool> = Box::pin(ended(job.job()?.clone()));
        live.push(ended);
    }
    Ok(Wait::on(poll_fn(move |cx| {
        let mut found = false;
        live.retain_mut(|ended| match ended.as_mut().poll(cx) {
            Poll::Ready(completed) => {
                found |= if completed { at_success } else { at_failure };
                false
            }
            Poll::Pending => true,
        });
        if found || live.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })))
}
