//! The handles of jobs and tasks.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use towline_core::job::{Deadline, JobState};
use towline_core::outcome::{Outcome, Reply};

use super::cell::Cell;
use super::info::JobInfo;
use super::task::refuse_inside;
use super::waiting::News;
use super::{EngineError, Reader, StartAt, lock};

/// The number of a job, unique in its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A handle of a background job. Clones are handles of the same job and can be used on any thread.
///
/// Dropping handles does not affect the job: only [`cancel`](Self::cancel), a deadline or the end of the
/// engine stops it.
///
/// ```
/// use std::time::Duration;
/// use towline::{Deadline, Ending, Engine, EngineConfig};
///
/// let engine = Engine::start(EngineConfig::default())?;
/// let job = engine.spawn("endless", std::future::pending::<()>()).job;
/// job.set_deadline(Deadline::In(Duration::from_secs(60)));
/// job.cancel("seen enough"); // returns at once
///
/// let outcome = job.wait()?; // returns when the job has ended
/// assert!(matches!(&outcome.ending, Ending::Cancelled { reason, .. } if reason == "seen enough"));
/// # Ok::<(), towline::engine::EngineError>(())
/// ```
#[derive(Clone)]
pub struct Job {
    pub(super) cell: Arc<Cell>,
}

impl Job {
    pub(super) fn of(cell: Arc<Cell>) -> Self {
        Self { cell }
    }

    /// The job's number.
    pub fn id(&self) -> JobId {
        JobId(self.cell.id)
    }

    /// A snapshot of the job.
    pub fn info(&self) -> JobInfo {
        self.cell.info()
    }

    /// The job's name.
    pub fn name(&self) -> Arc<str> {
        self.info().name
    }

    /// Renames the job.
    pub fn rename(&self, name: &str) {
        self.cell.rename(name);
    }

    /// The state of the job.
    pub fn state(&self) -> JobState {
        self.cell.state()
    }

    /// Cancels the job. It is *cancelling* until its work has ended. A stream closes its connection; a task
    /// from [`spawn_with`](super::Engine::spawn_with) may clean up first. `reason` is for people. This has no
    /// effect on a job that has ended.
    pub fn cancel(&self, reason: &str) {
        self.cell.cancel(reason, false);
    }

    /// Cancels the job without letting it clean up.
    pub fn cancel_now(&self, reason: &str) {
        self.cell.cancel(reason, true);
    }

    /// The relay's id for the stream that it runs for this job. `None` for any other job, and before the
    /// relay has accepted the stream.
    pub fn relay_id(&self) -> Option<Arc<str>> {
        self.cell.inner().relay_id.clone()
    }

    /// How often the connection to the relay was re-established. Nothing is lost by a reconnect.
    pub fn reconnects(&self) -> u32 {
        self.cell.inner().stats.reconnects
    }

    /// Whether the relay that runs the stream is currently out of reach.
    pub fn is_away(&self) -> bool {
        let inner = self.cell.inner();
        inner.away && !inner.state.is_ended()
    }

    /// Leaves the stream to the relay that runs it, where [`Client::attach`](crate::Client::attach) finds it
    /// under the returned id. The local job ends as cancelled, with a reason that says so. If no relay runs
    /// the stream, or the job has ended, this does nothing and returns `None`.
    pub fn detach(&self) -> Option<Arc<str>> {
        self.cell.detach()
    }

    /// Stops reading until [`unpause`](Self::unpause). The server of a stream stops generating once the
    /// network's buffers are full; until then it may continue. A relay pauses its own read of the server. A
    /// task that is not a stream is not polled. Deadlines stay in force.
    pub fn pause(&self) {
        self.cell.pause(true);
    }

    /// Resumes reading.
    pub fn unpause(&self) {
        self.cell.pause(false);
    }

    /// Changes the deadline at which the job times out, also while the job runs or is queued.
    pub fn set_deadline(&self, deadline: Deadline) {
        self.cell.set_deadline(deadline);
    }

    /// The outcome; `None` until the job has ended.
    pub fn outcome(&self) -> Option<Arc<Outcome>> {
        self.cell.outcome()
    }

    /// The answer, if it is complete; `None` until the job has ended.
    ///
    /// # Errors
    /// The outcome, with what was received, for every other ending.
    pub fn result(&self) -> Option<Result<Reply, Arc<Outcome>>> {
        let outcome = self.outcome()?;
        Some(if outcome.is_completed() { Ok(outcome.reply.clone()) } else { Err(outcome) })
    }

    /// The text of the answer so far.
    pub fn text_so_far(&self) -> String {
        self.cell.text()
    }

    /// A reader of the job's log. Readers cost the job nothing and never block it.
    pub fn reader(&self, from: StartAt) -> Reader {
        Reader::new(Arc::clone(&self.cell), from)
    }

    /// Blocks until the job has ended.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks: await the job there.
    pub fn wait(&self) -> Result<Arc<Outcome>, EngineError> {
        refuse_inside()?;
        let ended = self.cell.block(News::End, None, |job| job.outcome.clone());
        Ok(ended.unwrap_or_else(|| unreachable!("without a time limit, only an outcome ends the wait")))
    }

    /// Blocks until the job has ended or `time` is up: `None`, and the job continues.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks: await the job there.
    pub fn wait_timeout(&self, time: Duration) -> Result<Option<Arc<Outcome>>, EngineError> {
        refuse_inside()?;
        Ok(self.cell.block(News::End, Instant::now().checked_add(time), |job| job.outcome.clone()))
    }

    /// Repeats the request as a new job with the same name, group, priority and time limit. `None` for a task
    /// that cannot be repeated, and if the engine has shut down.
    pub fn retry(&self) -> Option<Job> {
        let shared = self.cell.shared.upgrade()?;
        let info = self.info();
        self.cell.prepared.clone().map(|prepared| {
            let options = super::JobOptions {
                name: Some(info.name.to_string()),
                group: info.group.map(|group| group.to_string()),
                priority: self.cell.priority,
                deadline: self.cell.deadline,
            };
            super::submit::submit_stream(&shared, prepared, options)
        })
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.info();
        f.debug_struct("Job")
            .field("id", &info.id)
            .field("name", &info.name)
            .field("state", &info.state)
            .finish_non_exhaustive()
    }
}

/// Awaiting a job waits for its end. Dropping the future does not affect the job.
impl IntoFuture for Job {
    type Output = Arc<Outcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Arc<Outcome>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.cell.wait(News::End, |job| job.outcome.clone()).await })
    }
}

impl IntoFuture for &Job {
    type Output = Arc<Outcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Arc<Outcome>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        self.clone().into_future()
    }
}

/// A job that runs the caller's future, with the future's return value. Clones are handles of the same task.
pub struct Task<T> {
    /// The job.
    pub job: Job,
    pub(super) value: Arc<Mutex<Option<T>>>,
}

impl<T> Task<T> {
    /// Blocks until the task has ended, and takes its return value. The value can be taken once; a second
    /// call returns the outcome. The inner error is the outcome of a task that returned nothing because it
    /// was cancelled, timed out or panicked.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks: await the task there.
    pub fn wait(&self) -> Result<Result<T, Arc<Outcome>>, EngineError> {
        let outcome = self.job.wait()?;
        Ok(self.take_value().ok_or(outcome))
    }

    /// Takes the return value of the task, if there is one.
    pub fn take_value(&self) -> Option<T> {
        lock(&self.value).take()
    }
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        Self { job: self.job.clone(), value: Arc::clone(&self.value) }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("job", &self.job).finish_non_exhaustive()
    }
}

/// Awaiting a task waits for its end. Dropping the future does not affect the task.
impl<T: Send + 'static> IntoFuture for Task<T> {
    type Output = Result<T, Arc<Outcome>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = (&self.job).await;
            self.take_value().ok_or(outcome)
        })
    }
}
