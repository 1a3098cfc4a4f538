//! Sends the orders of a job's owner to the relay: cancel, deadline, pause.
//!
//! Each stream that gives orders has one task, which sends the latest orders, in sequence. The task outlives
//! the stream until it is done, so that an order given just before a stream is dropped still arrives.

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
use super::control::Control;
use super::submit::{Answer, Submitting};
use super::wire::StreamId;
use crate::handle::Client;
use crate::via::Reconnect;

/// How long the relay may take to carry out an order.
const ORDER_TIME: Duration = Duration::from_secs(5);

/// How long the relay may take until a cancelled job has ended.
const END_TIME: Duration = Duration::from_secs(3);

/// Resolves once the relay has confirmed the end of the job, or cannot be reached.
pub(crate) type Confirming = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Sends the orders for one job.
#[derive(Debug)]
pub(crate) struct OrderSender {
    client: Client,
    id: StreamId,
    runtime: Handle,
    desired: Option<watch::Sender<DesiredState>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct DesiredState {
    paused: bool,
    /// `None` until it is changed.
    deadline: Option<Option<Instant>>,
    cancel: Option<String>,
}

impl OrderSender {
    /// Must be called inside a runtime, which runs the task.
    pub(crate) fn new(client: Client, id: StreamId) -> Self {
        Self { client, id, runtime: Handle::current(), desired: None }
    }

    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        let was_paused = self.desired.as_ref().is_some_and(|desired| desired.borrow().paused);
        if was_paused != paused {
            self.update(|desired| desired.paused = paused);
        }
    }

    /// `None` means no deadline.
    pub(crate) fn deadline(&mut self, at: Option<Instant>) {
        self.update(|desired| desired.deadline = Some(at));
    }

    /// Tells the relay to cancel the job.
    pub(crate) fn cancel(&mut self, reason: &str) -> Confirming {
        let (client, id, reason) = (self.client.clone(), self.id.clone(), reason.to_owned());
        // Earlier orders no longer matter.
        self.desired = None;
        confirming(&self.runtime, async move { cancel(&client, &id, &reason).await })
    }

    fn update(&mut self, change: impl FnOnce(&mut DesiredState)) {
        if let Some(desired) = &self.desired {
            desired.send_modify(change);
            return;
        }
        let mut desired = DesiredState::default();
        change(&mut desired);
        let (sender, receiver) = watch::channel(desired);
        let work = send_orders(Control::new(patient(&self.client)), self.id.clone(), receiver);
        #[expect(
            clippy::disallowed_methods,
            reason = "an order must arrive even if its stream is dropped; the task is short"
        )]
        drop(self.runtime.spawn(work));
        self.desired = Some(sender);
    }
}

/// Cancels a job that may have been started by a request that is still being sent.
pub(crate) fn cancel_unaccepted(client: Client, submitting: Submitting, reason: &str) -> Confirming {
    let reason = reason.to_owned();
    confirming(&Handle::current(), async move {
        match submitting.await? {
            Answer::Response(_) => Ok(()),
            Answer::Accepted(accepted) => cancel(&client, &accepted.id, &reason).await,
        }
    })
}

/// Runs the work even if nothing waits for it.
fn confirming(
    runtime: &Handle,
    work: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> Confirming {
    let work: Confirming = Box::pin(work);
    let (done, confirmed) = oneshot::channel();
    let work = async move {
        let result = tokio::time::timeout(ORDER_TIME, work).await.unwrap_or_else(|_| Err(too_slow()));
        // A caller that no longer waits does not need the result.
        drop(done.send(result));
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a cancel must arrive even if its stream is dropped; the task is short"
    )]
    drop(runtime.spawn(work));
    Box::pin(async move { confirmed.await.unwrap_or_else(|_| Err(too_slow())) })
}

fn too_slow() -> Error {
    let message = format!("the relay did not answer within {}", Span(ORDER_TIME));
    Error::new(ErrorKind::ConnectionLost, Fault::Transport, message).with_effect(true)
}

/// The client with the time limits for orders.
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
            // A job that no longer exists does not run.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        match error.kind {
            // Cancelling twice has the same effect as once.
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

/// Sends the orders to the relay until no handle can give another one. A failed order is not repeated,
/// because the next one contains the whole state.
async fn send_orders(control: Control, id: StreamId, mut orders: watch::Receiver<DesiredState>) {
    let mut done = DesiredState::default();
    loop {
        let desired = orders.borrow_and_update().clone();
        if desired.paused != done.paused {
            drop(match desired.paused {
                true => control.pause(id.as_str()).await,
                false => control.unpause(id.as_str()).await,
            });
        }
        if let Some(deadline) = desired.deadline.filter(|_| desired.deadline != done.deadline) {
            let deadline = match deadline {
                Some(at) => Deadline::In(at.saturating_duration_since(Instant::now())),
                None => Deadline::Never,
            };
            drop(control.set_deadline(id.as_str(), deadline).await);
        }
        done = desired;
        if orders.changed().await.is_err() {
            return;
        }
    }
}
