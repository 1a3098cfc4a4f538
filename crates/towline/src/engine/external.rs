//! Jobs whose work runs elsewhere: on another event loop, on a thread, in another language.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::Event;
use towline_core::job::JobState;
use towline_core::outcome::{Clock, Ending};

use super::cell::{Cell, TaskOrders, plain_outcome};
use super::lock;
use super::task::{DeadlineTimer, engine_ended, limit_of};

/// An order for the work of an external job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Start. This is the first order, and it is given once.
    Begin,
    /// Pause until [`Order::Resume`], if that is possible.
    Pause,
    /// Continue.
    Resume,
    /// End soon, and report how. Given again when the job has to stop at once. Without an earlier
    /// [`Order::Begin`], it means that the job has ended and will not start.
    Stop,
}

/// How the work of an external job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The work is done, also if it was told to stop and finished anyway.
    Completed,
    /// The work stopped before it was done.
    Stopped,
    /// The work failed.
    Failed(Error),
}

/// The working end of an external job. Dropping it without [`end`](Self::end) ends the job as failed.
#[derive(Debug)]
pub struct External {
    cell: Arc<Cell>,
    end: Arc<Mutex<Option<End>>>,
}

impl External {
    /// Reports that the work has begun: the job is *running*, no longer *queued*.
    pub fn begun(&self) {
        self.cell.begin(JobState::Running);
    }

    /// Appends an event to the job's log, for its readers.
    ///
    /// # Errors
    /// The event, if the log is full or the job has ended.
    pub fn try_emit(&self, event: Event) -> Result<(), Event> {
        self.cell.emit(event)
    }

    /// Reports that the work has ended. Only the first end counts.
    pub fn end(&self, end: End) {
        lock(&self.end).get_or_insert(end);
        self.cell.wake_task();
    }
}

impl Drop for External {
    fn drop(&mut self) {
        let message = "the task was dropped before it reported its end";
        self.end(End::Failed(Error::new(ErrorKind::Task, Fault::Caller, message).with_effect(true)));
    }
}

/// Sends the orders to the work and waits for the end.
pub(super) struct ExternalTask<F: FnMut(Order)> {
    cell: Arc<Cell>,
    on_order: F,
    end: Arc<Mutex<Option<End>>>,
    timer: DeadlineTimer,
    orders: TaskOrders,
    sent: SentOrders,
    /// The deadline that has passed.
    timed_out: Option<Duration>,
}

/// The orders that were sent to the work.
#[derive(Debug, Default)]
struct SentOrders {
    begin: bool,
    pause: bool,
    stop: bool,
    stop_at_once: bool,
}

impl<F: FnMut(Order)> ExternalTask<F> {
    pub(super) fn new(cell: &Arc<Cell>, on_order: F) -> (Self, External) {
        let end = Arc::new(Mutex::new(None));
        let external = External { cell: Arc::clone(cell), end: Arc::clone(&end) };
        let (timer, orders, sent) = (DeadlineTimer::default(), TaskOrders::default(), SentOrders::default());
        (Self { cell: Arc::clone(cell), on_order, end, timer, orders, sent, timed_out: None }, external)
    }

    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.cell.update_orders(&mut self.orders, cx);
        if let Some(end) = lock(&self.end).take() {
            let reason = self.orders.cancel.as_deref().unwrap_or("the task stopped itself");
            return Poll::Ready(match end {
                End::Completed => Ending::Completed(None),
                End::Stopped => self.stopped(reason),
                End::Failed(error) => Ending::Failed(error),
            });
        }
        if self.orders.cancel.is_none() && self.timer.passed(self.orders.deadline, cx) {
            self.timed_out = Some(limit_of(&self.cell, &self.orders));
            // Only the work can end the job; until then the job is *cancelling*.
            self.cell.cancel("its deadline has passed", false);
            self.cell.update_orders(&mut self.orders, cx);
        }
        if let Some(reason) = &self.orders.cancel {
            if !self.sent.begin {
                let ending = self.stopped(reason);
                (self.on_order)(Order::Stop);
                return Poll::Ready(ending);
            }
            if !self.sent.stop || (self.orders.kill && !self.sent.stop_at_once) {
                (self.sent.stop, self.sent.stop_at_once) = (true, self.orders.kill);
                (self.on_order)(Order::Stop);
            }
            return Poll::Pending;
        }
        if !self.orders.admitted {
            return Poll::Pending;
        }
        if !self.sent.begin {
            self.sent.begin = true;
            (self.on_order)(Order::Begin);
        }
        if self.sent.pause != self.orders.paused {
            self.sent.pause = self.orders.paused;
            (self.on_order)(if self.orders.paused { Order::Pause } else { Order::Resume });
        }
        Poll::Pending
    }

    fn stopped(&self, reason: &str) -> Ending {
        let may_have_had_effect = self.sent.begin;
        match self.timed_out {
            Some(limit) => Ending::TimedOut { clock: Clock::Total, limit, may_have_had_effect },
            None => Ending::Cancelled { reason: reason.to_owned(), may_have_had_effect },
        }
    }

    fn finish(&self, ending: Ending) {
        self.cell.finish(plain_outcome(ending, self.cell.created));
    }
}

impl<F: FnMut(Order)> Unpin for ExternalTask<F> {}

impl<F: FnMut(Order)> Future for ExternalTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Poll::Ready(ending) = self.poll_ending(cx) else { return Poll::Pending };
        self.finish(ending);
        Poll::Ready(())
    }
}

impl<F: FnMut(Order)> Drop for ExternalTask<F> {
    fn drop(&mut self) {
        if self.cell.outcome().is_none() {
            (self.on_order)(Order::Stop);
            self.finish(engine_ended());
        }
    }
}

impl<F: FnMut(Order)> fmt::Debug for ExternalTask<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalTask").field("sent", &self.sent).finish_non_exhaustive()
    }
}
