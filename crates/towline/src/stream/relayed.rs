//! The part of a stream that talks to the relay that runs it.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::outcome::{Ending, Outcome};
use towline_core::stream::{BodyEnd, Opened};

use super::{Io, Item, Stream, now};
use crate::relay::{
    self, Accepted, Attach, Confirming, OrderSender, RelayConfig, Skip, Submission, Submitting, Tailed, Via,
};
use crate::transport::Connection;

/// The cause that a relay's list shows for a job whose stream timed out.
pub(super) const DEADLINE_PASSED: &str = "its deadline passed";

/// The relay state of a stream.
#[derive(Default)]
pub(super) struct Relayed {
    /// The id of the current request, the same however often it is sent.
    request_id: Option<String>,
    /// `Some` once the relay has accepted the stream.
    orders: Option<OrderSender>,
    /// The log was read to its end, or cannot be read.
    over: bool,
    /// The rest of a record that is not wanted.
    skip: Option<Skip>,
    /// The time at which an engine ends the stream.
    deadline: Option<Instant>,
    confirming: Option<Confirming>,
}

impl Stream {
    /// Leaves the stream to the relay once the relay has accepted it, and returns its id there.
    ///
    /// # Errors
    /// The outcome of a stream that no relay accepted.
    ///
    /// # Cancel safety
    /// If the future is dropped, the relay may or may not run the stream.
    pub async fn detach(mut self) -> Result<String, Box<Outcome>> {
        if self.relayed.is_none() {
            let message = "a stream can be detached only from a client of a relay";
            self.fail(Error::new(ErrorKind::InvalidRequest, Fault::Caller, message));
        }
        let outcome = std::future::poll_fn(|cx| {
            loop {
                let polled = self.poll_item(cx);
                if let Some(id) = self.relay_id() {
                    return Poll::Ready(Ok(id.to_owned()));
                }
                match ready!(polled) {
                    Some(Item::Event(_)) => {}
                    Some(Item::End(outcome)) => return Poll::Ready(Err(outcome)),
                    None => unreachable!("the end is yielded before None, and returned above"),
                }
            }
        });
        outcome.await
    }

    /// Makes the relay cancel the job, unless it is over.
    pub(super) fn stop_at_relay(&mut self, io: Io, reason: &str) {
        let Some(relayed) = self.relayed.as_deref_mut().filter(|relayed| !relayed.over) else { return };
        relayed.over = true;
        relayed.confirming = match (&mut relayed.orders, io) {
            (Some(orders), _) => Some(orders.cancel(reason)),
            (None, Io::Sending(sending)) => {
                Some(relay::cancel_unaccepted(self.client.clone(), sending, reason))
            }
            // Nothing was sent.
            (None, _) => None,
        };
    }

    /// The stream's id on the relay that runs it, once the relay has accepted it.
    pub fn relay_id(&self) -> Option<&str> {
        self.relayed.as_deref()?.orders.as_ref().map(OrderSender::id)
    }

    /// Whether the relay is currently out of reach: the connection was lost and the client reconnects.
    /// [`Stats::reconnects`](crate::outcome::Stats::reconnects) counts the reconnects.
    pub fn is_away(&self) -> bool {
        self.life.is_away()
    }

    /// Whether the end only waits until the relay has confirmed the cancel.
    pub(crate) fn is_confirming(&self) -> bool {
        self.end.is_some()
    }

    /// Pauses or unpauses the job on the relay.
    pub(crate) fn pause_at_relay(&mut self, paused: bool) {
        if let Some(orders) = self.relayed.as_deref_mut().and_then(|relayed| relayed.orders.as_mut()) {
            orders.pause(paused);
        }
    }

    /// An engine ends the stream at this time. The relay gets the same deadline, in case this process has
    /// ended by then.
    pub(crate) fn deadline_at_relay(&mut self, deadline: Option<Instant>) {
        if let Some(relayed) = self.relayed.as_deref_mut().filter(|relayed| relayed.deadline != deadline) {
            relayed.deadline = deadline;
            self.send_deadline();
        }
    }

    pub(super) fn send_deadline(&mut self) {
        let deadline = self.total_deadline();
        if let Some(relayed) = self.relayed.as_deref_mut().filter(|relayed| !relayed.over)
            && let Some(orders) = &mut relayed.orders
        {
            orders.deadline(deadline.map(Into::into));
        }
    }

    /// The latest time at which the stream ends.
    pub(super) fn total_deadline(&self) -> Option<Instant> {
        let of_engine = self.relayed.as_deref().and_then(|relayed| relayed.deadline);
        self.life.total_deadline().into_iter().chain(of_engine).min()
    }

    /// Cancels on the relay a stream that ended on this side.
    pub(super) fn end_at_relay(&mut self, io: Io, ending: &Ending) {
        match ending {
            Ending::Completed(_) | Ending::Truncated(_) => {}
            Ending::Cancelled { reason, .. } => self.stop_at_relay(io, reason),
            Ending::TimedOut { .. } => self.stop_at_relay(io, DEADLINE_PASSED),
            Ending::Failed(error) => match error.kind {
                ErrorKind::Limit | ErrorKind::Protocol => self.stop_at_relay(io, &error.message),
                // Either the job is over, or the relay cannot be reached and the job continues.
                ErrorKind::InvalidRequest
                | ErrorKind::Connect
                | ErrorKind::Tls
                | ErrorKind::ConnectionLost
                | ErrorKind::Truncated
                | ErrorKind::Rejected
                | ErrorKind::Unauthorized
                | ErrorKind::NotFound
                | ErrorKind::Busy
                | ErrorKind::Server
                | ErrorKind::Redirect
                | ErrorKind::TimedOut
                | ErrorKind::Cancelled
                | ErrorKind::Task => {}
            },
        }
    }

    /// Ready once the relay has confirmed the cancel, or cannot be reached.
    pub(super) fn poll_confirmed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(relayed) = self.relayed.as_deref_mut() else { return Poll::Ready(()) };
        let Some(confirming) = &mut relayed.confirming else { return Poll::Ready(()) };
        let confirmed = ready!(confirming.as_mut().poll(cx));
        relayed.confirming = None;
        let Err(error) = confirmed else { return Poll::Ready(()) };
        let Some(end) = &mut self.end else { return Poll::Ready(()) };
        if let Ending::Cancelled { reason, .. } = &mut end.ending {
            reason
                .push_str(&format!("; the relay did not confirm this and may continue the answer: {error}"));
        }
        Poll::Ready(())
    }

    pub(super) fn attaching(&mut self, attach: Attach) -> Submitting {
        let client = self.client.clone();
        let relayed = self.relayed.get_or_insert_default();
        if let Ok(id) = &attach.id {
            relayed.orders = Some(OrderSender::new(client.clone(), id.clone()));
        }
        // A reader cancels nothing.
        relayed.over = attach.snapshot;
        let config = match &client.config().via {
            Via::Relay(config) => config.clone(),
            Via::Server => RelayConfig::default(),
        };
        Box::pin(relay::attach(client, config, attach))
    }

    pub(super) fn submitting(
        &mut self,
        config: RelayConfig,
        connection: Connection,
        path: &'static str,
        dialect: Dialect,
        body: Bytes,
    ) -> Submitting {
        let deadline = self.total_deadline().map(|at| at.saturating_duration_since(now()));
        let relayed = self.relayed.get_or_insert_default();
        let request_id = relayed.request_id.get_or_insert_with(Submission::new_id).clone();
        let submission = Submission { path, dialect, body, request_id, deadline };
        Box::pin(relay::submit(self.client.clone(), config, connection, submission))
    }

    /// The relay runs the request; from here on its log is read.
    pub(super) fn accepted(&mut self, accepted: Accepted) {
        let Accepted { id, tail, dialect, content_type, skip } = accepted;
        if let Some(dialect) = dialect {
            self.life.set_dialect(dialect);
            self.call.dialect = dialect;
        }
        let relayed = self.relayed.get_or_insert_default();
        // The stream may have been attached by its name.
        if relayed.orders.as_ref().is_none_or(|orders| orders.id() != id.as_str()) {
            relayed.orders = Some(OrderSender::new(self.client.clone(), id));
        }
        if self.call.attach.is_none() {
            relayed.over = false;
        }
        relayed.skip = skip;
        self.life.opened(&Opened { status: 200, content_type, retry_after: None }, now());
        self.io = Io::Tailing(tail);
    }

    /// Takes the bytes that have arrived from the relay's log.
    pub(super) fn poll_tail(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Io::Tailing(tail) = &mut self.io else { return Poll::Ready(()) };
        let skip = self.relayed.as_deref_mut().and_then(|relayed| relayed.skip.as_mut());
        let tailed = match skip {
            None => ready!(tail.poll_read(cx, self.life.input())),
            Some(skip) => {
                let tailed = ready!(tail.poll_read(cx, &mut skip.seen));
                if let Some(rest) = skip.rest() {
                    self.life.bytes(&rest, now());
                    self.relayed.get_or_insert_default().skip = None;
                }
                tailed.map(|tailed| if let Tailed::Bytes(_) = tailed { Tailed::Bytes(0) } else { tailed })
            }
        };
        match tailed {
            Ok(Tailed::Bytes(count)) => {
                let now = now();
                self.life.received(count, now);
                // The timeouts must also apply to a server that never pauses.
                self.life.tick(now);
            }
            Ok(Tailed::Lost) => self.life.lost(now()),
            Ok(Tailed::Regained) => {
                let now = now();
                self.life.lost(now);
                self.life.regained(now);
                self.timer.rearm();
            }
            Ok(Tailed::End) => {
                self.over_at_relay();
                self.life.ended(BodyEnd::Clean, now());
            }
            Err(error) => {
                self.over_at_relay();
                self.life.ended(BodyEnd::Broken(error), now());
            }
        }
        Poll::Ready(())
    }

    fn over_at_relay(&mut self) {
        self.io = Io::Closed;
        if let Some(relayed) = self.relayed.as_deref_mut() {
            relayed.over = true;
        }
    }

    /// The next request is a different one.
    pub(super) fn another_request(&mut self) {
        if let Some(relayed) = self.relayed.as_deref_mut() {
            (relayed.request_id, relayed.orders) = (None, None);
        }
    }
}
