//! What can be done with an answer that a relay runs or has.

use std::time::Duration;

use towline::error::{ErrorKind, Fault};
use towline::relay::{Control, Job};
use towline::{Deadline, Error};

use super::handle;

/// How long an answer may take to end once it was told to.
const END_TIME: Duration = Duration::from_secs(10);

/// What is to be done with an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// It is stopped. The reason is for people. One that has ended stays as it is.
    Kill(String),
    /// The relay reads nothing more from the model server.
    Pause,
    /// The relay reads again.
    Unpause,
    /// Its deadline is moved.
    Deadline(Deadline),
    /// It gets another name.
    Rename(String),
    /// The same is asked again.
    Retry,
    /// It is deleted, with its record.
    Forget,
}

impl Verb {
    /// Does it with the answer that `handle` stands for (its name, its id, or what its id alone begins with). The answer as it
    /// is then; of [`Verb::Retry`] the new one, of [`Verb::Forget`] as it was. One that was killed has ended, unless it takes
    /// longer than 10 s.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether it was done.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such answer; [`ErrorKind::Rejected`] where it cannot be done, as forgetting one
    /// that runs; those of a relay that cannot be reached.
    pub async fn apply(&self, control: &Control, handle: &str) -> Result<Job, Error> {
        match self {
            Self::Kill(reason) => kill(control, handle, reason).await,
            Self::Pause => control.pause(handle).await,
            Self::Unpause => control.unpause(handle).await,
            Self::Deadline(deadline) => control.set_deadline(handle, *deadline).await,
            Self::Rename(name) => control.rename(handle, name).await,
            Self::Retry => control.retry(handle).await,
            Self::Forget => forget(control, handle).await,
        }
    }
}

async fn kill(control: &Control, handle: &str, reason: &str) -> Result<Job, Error> {
    let job = control.find(handle).await?;
    if job.state.is_ended() {
        return Ok(job);
    }
    control.cancel(&job.id, reason).await?;
    control.wait(&job.id, END_TIME).await
}

async fn forget(control: &Control, named: &str) -> Result<Job, Error> {
    let job = control.find(named).await?;
    if !job.state.is_ended() {
        let message = format!("{} is {}; kill stops it first", handle(&job), job.state);
        return Err(Error::new(ErrorKind::Rejected, Fault::Caller, message));
    }
    control.delete(&job.id).await?;
    Ok(job)
}
