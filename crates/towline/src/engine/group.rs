//! Several jobs that belong together.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use towline_core::outcome::Outcome;

use super::task::refuse_inside;
use super::waiting::{News, Waiting, block_on};
use super::{EngineError, Job};

/// Jobs that belong together, in the order in which they were added. Each can still be controlled on its own.
///
/// ```
/// use towline::engine::Group;
/// use towline::{Engine, EngineConfig};
///
/// let engine = Engine::start(EngineConfig::default())?;
/// let mut group = Group::of(["a", "b"].map(|name| engine.spawn(name, async {}).job));
/// group.add(engine.spawn("endless", std::future::pending::<()>()).job);
///
/// assert!(group.wait_first()?.is_some_and(|(_, outcome)| outcome.is_completed()));
/// group.cancel("one is enough");
/// assert_eq!(group.wait_all()?.len(), 3);
/// # Ok::<(), towline::engine::EngineError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Group {
    jobs: Vec<Job>,
}

impl Group {
    /// The group of these jobs.
    pub fn of(jobs: impl IntoIterator<Item = Job>) -> Self {
        Self { jobs: jobs.into_iter().collect() }
    }

    /// The jobs, in order.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Adds a job to the group.
    pub fn add(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// Cancels every job that has not ended.
    pub fn cancel(&self, reason: &str) {
        for job in &self.jobs {
            job.cancel(reason);
        }
    }

    /// The outcomes so far, in order; `None` for a job that has not ended.
    pub fn outcomes(&self) -> Vec<Option<Arc<Outcome>>> {
        self.jobs.iter().map(Job::outcome).collect()
    }

    /// Blocks until all jobs have ended, and returns their outcomes, in order.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks: use [`all`](Self::all) there.
    pub fn wait_all(&self) -> Result<Vec<Arc<Outcome>>, EngineError> {
        self.jobs.iter().map(Job::wait).collect()
    }

    /// Blocks until all jobs have ended or `time` has passed. In the second case it returns `None`, and the
    /// jobs continue.
    ///
    /// # Errors
    /// As [`wait_all`](Self::wait_all).
    pub fn wait_all_timeout(&self, time: Duration) -> Result<Option<Vec<Arc<Outcome>>>, EngineError> {
        let until = Instant::now().checked_add(time);
        let mut outcomes = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let left = until.map_or(time, |until| until.saturating_duration_since(Instant::now()));
            match job.wait_timeout(left)? {
                Some(outcome) => outcomes.push(outcome),
                None => return Ok(None),
            }
        }
        Ok(Some(outcomes))
    }

    /// Blocks until one job has ended, and returns it with its outcome. `None` for an empty group.
    ///
    /// # Errors
    /// As [`wait_all`](Self::wait_all).
    pub fn wait_first(&self) -> Result<Option<(Job, Arc<Outcome>)>, EngineError> {
        refuse_inside()?;
        Ok(block_on(self.first()))
    }

    /// Blocks until one has ended otherwise than completed, or all have completed: then `None`.
    ///
    /// # Errors
    /// As [`wait_all`](Self::wait_all).
    pub fn wait_failure(&self) -> Result<Option<(Job, Arc<Outcome>)>, EngineError> {
        refuse_inside()?;
        Ok(block_on(self.failure()))
    }

    /// Waits until all jobs have ended, and returns their outcomes, in order.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the jobs alone.
    pub async fn all(&self) -> Vec<Arc<Outcome>> {
        let mut outcomes = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            outcomes.push(job.await);
        }
        outcomes
    }

    /// Waits until one job has ended. `None` for an empty group.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the jobs alone.
    pub async fn first(&self) -> Option<(Job, Arc<Outcome>)> {
        self.watch(|_| true).await
    }

    /// Waits until one has ended otherwise than completed, or all have completed: then `None`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the jobs alone.
    pub async fn failure(&self) -> Option<(Job, Arc<Outcome>)> {
        self.watch(|outcome| !outcome.is_completed()).await
    }

    /// Waits for the first outcome that is `wanted`; `None` if all jobs have ended and none is.
    async fn watch(&self, wanted: impl Fn(&Outcome) -> bool) -> Option<(Job, Arc<Outcome>)> {
        let mut live: Vec<(&Job, Waiting<'_>)> =
            self.jobs.iter().map(|job| (job, Waiting::new(&job.cell, News::End))).collect();
        std::future::poll_fn(|cx| {
            let mut found = None;
            live.retain_mut(|(job, waiting)| {
                if found.is_none()
                    && let Poll::Ready(outcome) = waiting.poll(cx, |job| job.outcome.clone())
                {
                    found = wanted(&outcome).then(|| ((*job).clone(), outcome));
                    return false;
                }
                true
            });
            match found {
                Some(found) => Poll::Ready(Some(found)),
                None if live.is_empty() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }
}
