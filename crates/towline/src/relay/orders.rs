//! Telling the relay what its job's owner wants: cancel, deadline, pause.
//!
//! One task for each stream that gives orders does what was wanted last, in order. It outlives the stream until it is
//! done, so that an order given just before a stream is dropped arrives.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::job::Deadline;
use towline_core::span::Span;

use super::backoff::Backoff;
use super::config::Reconnect;
use super::control::Control;
use super::submit::{Answer, Submitting};
use super::wire::StreamId;
use crate::client::Client;

/// How long the relay may take to do what it is told.
const ORDER_TIME: Duration = Duration::from_secs(5);

/// How long the relay may take to see a cancelled job end.
const END_TIME: Duration = Duration::from_secs(3);

/// Resolves once the relay has said that the job is over, or cannot be told.
pub(crate) type Confirming = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What the relay is to do with one job.
#[derive(Debug)]
pub(crate) struct Orders {
    client: Client,
    id: StreamId,
    runtime: Handle,
    wanted: Option<watch::Sender<Wanted>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    paused: bool,
    /// `None` as long as nobody moved it.
    deadline: Option<Option<Instant>>,
    cancel: Option<String>,
}

impl Orders {
    /// Inside of a runtime, which will do the work.
    pub(crate) fn of(client: Client, id: StreamId) -> Self {
        Self { client, id, runtime: Handle::current(), wanted: None }
    }

    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        let told = self.wanted.as_ref().is_some_and(|wanted| wanted.borrow().paused);
        if told != paused {
            self.want(|wanted| wanted.paused = paused);
        }
    }

    /// `None` is no deadline.
    pub(crate) fn deadline(&mut self, at: Option<Instant>) {
        self.want(|wanted| wanted.deadline = Some(at));
    }

    /// Tells the relay to stop the job.
    pub(crate) fn cancel(&mut self, reason: &str) -> Confirming {
        let (client, id, reason) = (self.client.clone(), self.id.clone(), reason.to_owned());
        // What else was wanted no longer matters.
        self.wanted = None;
        confirming(&self.runtime, async move { cancel(&client, &id, &reason).await })
    }

    fn want(&mut self, change: impl FnOnce(&mut Wanted)) {
        if let Some(wanted) = &self.wanted {
            wanted.send_modify(change);
            return;
        }
        let mut wanted = Wanted::default();
        change(&mut wanted);
        let (sender, receiver) = watch::channel(wanted);
        let work = obey(Control::new(patient(&self.client)), self.id.clone(), receiver);
        #[expect(
            clippy::disallowed_methods,
            reason = "an order arrives though its stream is dropped; it ends by itself"
        )]
        drop(self.runtime.spawn(work));
        self.wanted = Some(sender);
    }
}

/// Stops a job that may have been begun by a request that is still under way.
pub(crate) fn cancel_unaccepted(client: Client, submitting: Submitting, reason: &str) -> Confirming {
    let reason = reason.to_owned();
    confirming(&Handle::current(), async move {
        match submitting.await? {
            Answer::Response(_) => Ok(()),
            Answer::Accepted(accepted) => cancel(&client, &accepted.id, &reason).await,
        }
    })
}

/// Does the work though nobody may wait for it.
fn confirming(
    runtime: &Handle,
    work: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> Confirming {
    let work: Confirming = Box::pin(work);
    let (done, confirmed) = oneshot::channel();
    let work = async move {
        let result = tokio::time::timeout(ORDER_TIME, work).await.unwrap_or_else(|_| Err(too_slow()));
        // A caller that no longer waits has no use for it.
        drop(done.send(result));
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a cancel arrives though its stream is dropped; it ends by itself"
    )]
    drop(runtime.spawn(work));
    Box::pin(async move { confirmed.await.unwrap_or_else(|_| Err(too_slow())) })
}

fn too_slow() -> Error {
    let message = format!("the relay did not answer within {}", Span(ORDER_TIME));
    Error::new(ErrorKind::ConnectionLost, Fault::Transport, message).with_effect(true)
}

/// The client, with timeouts for orders and retries of their own.
fn patient(client: &Client) -> Client {
    client.with_request_config(|config| {
        config.timeouts.connect = Some(ORDER_TIME);
        config.timeouts.first_event = Some(ORDER_TIME);
        (config.timeouts.idle, config.timeouts.record) = (Some(ORDER_TIME), Some(ORDER_TIME));
        config.timeouts.total = Some(ORDER_TIME);
    })
}

async fn cancel(client: &Client, id: &StreamId, reason: &str) -> Result<(), Error> {
    let control = Control::new(patient(client));
    let mut backoff = Backoff::new(Reconnect { give_up_after: ORDER_TIME, ..Reconnect::default() });
    loop {
        let error = match control.cancel(id.as_str(), reason).await {
            Ok(job) if job.state.is_ended() => return Ok(()),
            Ok(_) => return control.wait(id.as_str(), END_TIME).await.map(drop),
            // What no longer exists does not run.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        match error.kind {
            // Cancelling twice is cancelling once.
            ErrorKind::ConnectionLost | ErrorKind::Connect | ErrorKind::Busy => backoff.wait(error).await?,
            ErrorKind::InvalidRequest
            | ErrorKind::Tls
            | ErrorKind::Truncated
            | ErrorKind::Rejected
            | ErrorKind::Unauthorized
            | ErrorKind::NotFound
            | ErrorKind::Server
            | ErrorKind::Protocol
            | ErrorKind::Limit
            | ErrorKind::Redirect
            | ErrorKind::TimedOut
            | ErrorKind::Cancelled
            | ErrorKind::Task => return Err(error),
        }
    }
}

/// Sends the orders to the relay until no handle can give another. An order that fails is not repeated: the next one has
/// the whole of what is wanted.
async fn obey(control: Control, id: StreamId, mut orders: watch::Receiver<Wanted>) {
    let mut done = Wanted::default();
    loop {
        let wanted = orders.borrow_and_update().clone();
        if wanted.paused != done.paused {
            drop(match wanted.paused {
                true => control.pause(id.as_str()).await,
                false => control.unpause(id.as_str()).await,
            });
        }
        if let Some(deadline) = wanted.deadline.filter(|_| wanted.deadline != done.deadline) {
            let deadline = match deadline {
                Some(at) => Deadline::In(at.saturating_duration_since(Instant::now())),
                None => Deadline::Never,
            };
            drop(control.set_deadline(id.as_str(), deadline).await);
        }
        done = wanted;
        if orders.changed().await.is_err() {
            return;
        }
    }
}
