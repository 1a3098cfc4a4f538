//! The verbs for answers on a relay.

use std::time::Duration;

use towline::error::{ErrorKind, Fault};
use towline::relay::{Control, Job};
use towline::{Deadline, Error};

use super::handle;

/// How long an answer may take to end after a cancel.
const END_TIME: Duration = Duration::from_secs(10);

/// An operation on an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// Cancels it. The reason is for people. An answer that has ended does not change.
    Kill(String),
    /// Makes the relay stop reading from the model server.
    Pause,
    /// Makes the relay read again.
    Unpause,
    /// Changes its deadline.
    Deadline(Deadline),
    /// Renames it.
    Rename(String),
    /// Sends the same request again, as a new answer.
    Retry,
    /// Deletes it, with its record.
    Forget,
}

impl Verb {
    /// Applies the verb to the answer with this handle (its name, its id, or a unique prefix of its id).
    /// Returns the answer after the operation; for [`Verb::Retry`] the new answer, for [`Verb::Forget`] the
    /// answer before it. A cancelled answer has ended, unless that takes longer than 10 s.
    ///
    /// # Cancel safety
    /// If the future is dropped, the operation may or may not have happened.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such answer; [`ErrorKind::Rejected`] if the operation is not
    /// possible, such as forgetting a running answer; the errors of a relay that cannot be reached.
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
        let message = format!("{} is {}; kill it first", handle(&job), job.state);
        return Err(Error::new(ErrorKind::Rejected, Fault::Caller, message));
    }
    control.delete(&job.id).await?;
    Ok(job)
}
