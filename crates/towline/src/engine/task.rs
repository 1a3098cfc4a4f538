//! The futures that drive jobs on the engine's runtime.

use std::cell::Cell as Flag;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::job::JobState;
use towline_core::log::Pieces;
use towline_core::outcome::{Clock, Ending, Outcome, Stats};

use super::cell::{Cell, TaskOrders, plain_outcome};
use super::{EngineError, lock};
use crate::stream::{Step, Stream};

/// The maximum number of events that a job takes from its stream before it yields to other jobs.
const EVENTS_PER_TURN: usize = 1_024;

thread_local! {
    /// This thread is inside a job's poll, where blocking would stall the engine.
    static IN_TASK: Flag<bool> = const { Flag::new(false) };
}

/// # Errors
/// [`EngineError::WouldDeadlock`] if called inside one of an engine's tasks.
pub(super) fn refuse_inside() -> Result<(), EngineError> {
    if is_inside() { Err(EngineError::WouldDeadlock) } else { Ok(()) }
}

pub(super) fn is_inside() -> bool {
    IN_TASK.get()
}

/// Polls on behalf of a job: refuses blocking calls inside, and catches a panic.
fn poll_inside<T>(poll: impl FnOnce() -> T) -> Result<T, Error> {
    let outer = IN_TASK.replace(true);
    let result = catch_unwind(AssertUnwindSafe(poll));
    IN_TASK.set(outer);
    result.map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = format!("the task panicked: {}", text.unwrap_or("without a message"));
        Error::new(ErrorKind::Task, Fault::Caller, message).with_effect(true)
    })
}

/// The timer of a job's movable deadline.
#[derive(Default)]
pub(super) struct DeadlineTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl DeadlineTimer {
    /// Whether `deadline` has passed; if not, the task is woken when it does.
    #[inline]
    pub(super) fn passed(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        match deadline {
            Some(deadline) => self.wait(deadline, cx),
            None => {
                self.sleep = None;
                false
            }
        }
    }

    fn wait(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        if deadline <= Instant::now() {
            return true;
        }
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if self.armed != Some(deadline) {
                    sleep.as_mut().reset(deadline.into());
                }
                sleep
            }
            empty @ None => empty.insert(Box::pin(tokio::time::sleep_until(deadline.into()))),
        };
        self.armed = Some(deadline);
        sleep.as_mut().poll(cx).is_ready()
    }
}

/// The total time limit of a job, as the outcome reports it.
pub(super) fn limit_of(cell: &Cell, orders: &TaskOrders) -> Duration {
    orders.deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(cell.created))
}

/// Drives a stream.
pub(super) struct StreamTask {
    cell: Arc<Cell>,
    stream: Stream,
    timer: DeadlineTimer,
    orders: TaskOrders,
    stage: Stage,
    pieces: Pieces,
    /// The cell knows the relay's id of the stream.
    named: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    Reading,
    Paused,
}

impl StreamTask {
    pub(super) fn new(cell: Arc<Cell>, stream: Stream) -> Self {
        Self {
            cell,
            stream,
            timer: DeadlineTimer::default(),
            orders: TaskOrders::default(),
            stage: Stage::Queued,
            pieces: Pieces::default(),
            named: false,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.cell.update_orders(&mut self.orders, cx);
        if self.orders.detach {
            self.cut(detached(self.stream.relay_id()));
            return Poll::Ready(());
        }
        if self.check_cancelled(cx) {
            let read = self.read(cx);
            if read.is_pending() && !self.stream.is_confirming() {
                // The stream had more events than fit into one turn, or was about to retry after a failure.
                cx.waker().wake_by_ref();
            }
            return read;
        }
        if !self.orders.admitted {
            return Poll::Pending;
        }
        if self.stage == Stage::Queued {
            self.cell.begin(JobState::Connecting);
            self.stage = Stage::Reading;
        }
        self.stream.deadline_at_relay(self.orders.deadline);
        if self.orders.paused || self.orders.full {
            self.stage = Stage::Paused;
            self.stream.pause_at_relay(self.orders.paused);
            return Poll::Pending;
        }
        if self.stage == Stage::Paused {
            self.stream.pause_at_relay(false);
            self.stream.unpaused();
            self.stage = Stage::Reading;
        }
        self.read(cx)
    }

    /// Stops the stream if it was cancelled or its deadline has passed.
    fn check_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(reason) = &self.orders.cancel {
            self.stream.cancel(reason);
            return true;
        }
        if self.timer.passed(self.orders.deadline, cx) {
            self.stream.expire(limit_of(&self.cell, &self.orders));
            return true;
        }
        false
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut taken = 0;
        loop {
            while self.stream.next_into(&mut self.pieces) {
                taken += 1;
                if taken == EVENTS_PER_TURN {
                    self.report();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            match self.stream.poll_step(cx) {
                Poll::Ready(Step::More) => {}
                Poll::Ready(Step::End(outcome)) => {
                    self.report();
                    if let Some(outcome) = outcome {
                        self.cell.finish(*outcome);
                    }
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    self.report();
                    return Poll::Pending;
                }
            }
        }
    }

    fn report(&mut self) {
        if !self.named
            && let Some(id) = self.stream.relay_id()
        {
            self.cell.relayed(id);
            self.named = true;
        }
        self.cell.report(&self.stream, &mut self.pieces);
    }

    /// Ends the job for a reason outside its stream, with everything that the stream has received.
    fn cut(&mut self, ending: Ending) {
        self.report();
        let outcome = Outcome {
            reply: self.stream.reply().clone(),
            stats: Stats { total: self.cell.created.elapsed(), ..*self.stream.stats() },
            not_understood: self.stream.not_understood(),
            retried: self.stream.retried().to_vec(),
            ending,
        };
        self.cell.finish(outcome);
    }
}

impl Future for StreamTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match poll_inside(|| self.turn(cx)) {
            Ok(poll) => poll,
            Err(error) => {
                self.cut(Ending::Failed(error));
                Poll::Ready(())
            }
        }
    }
}

impl Drop for StreamTask {
    fn drop(&mut self) {
        if self.cell.outcome().is_none() {
            self.cut(engine_ended());
        }
    }
}

pin_project! {
    /// Drives a future of the caller.
    pub(super) struct FutureTask<F: Future> {
        cell: Arc<Cell>,
        #[pin]
        future: Option<F>,
        value: Arc<Mutex<Option<F::Output>>>,
        // The future sees the cancel and ends itself.
        cleans_up: bool,
        timer: DeadlineTimer,
        orders: TaskOrders,
        begun: bool,
    }

    impl<F: Future> PinnedDrop for FutureTask<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.cell.outcome().is_none() {
                this.end(engine_ended());
            }
        }
    }
}

impl<F: Future> FutureTask<F> {
    pub(super) fn new(
        cell: Arc<Cell>,
        future: F,
        value: Arc<Mutex<Option<F::Output>>>,
        cleans_up: bool,
    ) -> Self {
        let (timer, orders) = (DeadlineTimer::default(), TaskOrders::default());
        Self { cell, future: Some(future), value, cleans_up, timer, orders, begun: false }
    }

    fn turn(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let this = self.project();
        this.cell.update_orders(this.orders, cx);
        let orders = &*this.orders;
        let cancelled = |reason: &str, begun: bool| Ending::Cancelled {
            reason: reason.to_owned(),
            may_have_had_effect: begun,
        };
        if let Some(reason) = &orders.cancel
            && (orders.kill || !*this.cleans_up || !*this.begun)
        {
            return Poll::Ready(cancelled(reason, *this.begun));
        }
        if this.timer.passed(orders.deadline, cx) {
            let limit = limit_of(this.cell, orders);
            return Poll::Ready(match &orders.cancel {
                // Its time to clean up is over.
                Some(reason) => cancelled(reason, *this.begun),
                None => Ending::TimedOut { clock: Clock::Total, limit, may_have_had_effect: *this.begun },
            });
        }
        if !orders.admitted || ((orders.paused || orders.full) && orders.cancel.is_none()) {
            return Poll::Pending;
        }
        if !*this.begun {
            *this.begun = true;
            this.cell.begin(JobState::Running);
        }
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        match future.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(value) => {
                *lock(this.value) = Some(value);
                this.cell.update_orders(this.orders, cx);
                Poll::Ready(match &this.orders.cancel {
                    Some(reason) => cancelled(reason, true),
                    None => Ending::Completed(None),
                })
            }
        }
    }

    /// The job ends when its future was dropped, not before: dropping it may take time, or panic.
    fn end(self: Pin<&mut Self>, ending: Ending) {
        let mut this = self.project();
        let ending = match poll_inside(|| this.future.set(None)) {
            Ok(()) => ending,
            Err(error) => Ending::Failed(error),
        };
        this.cell.finish(plain_outcome(ending, this.cell.created));
    }
}

impl<F: Future> Future for FutureTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ending = match poll_inside(|| self.as_mut().turn(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(ending)) => ending,
            Err(error) => Ending::Failed(error),
        };
        self.end(ending);
        Poll::Ready(())
    }
}

/// The ending of a job whose stream is left to its relay.
fn detached(id: Option<&str>) -> Ending {
    let reason = format!("detached; it continues on the relay as {}", id.unwrap_or_default());
    Ending::Cancelled { reason, may_have_had_effect: true }
}

/// The ending of a task that is dropped before it completes.
pub(super) fn engine_ended() -> Ending {
    Ending::Cancelled { reason: "the engine was shut down".to_owned(), may_have_had_effect: true }
}

#[cfg(test)]
mod tests {
    use towline_testkit::{Script, Server, records::ollama};

    use super::*;
    use crate::engine::submit::init;
    use crate::engine::{JobOptions, StreamSpec};
    use crate::{ChatRequest, Client, Engine, EngineConfig};

    /// Drops it as the end of the engine does, at a time that no caller can choose.
    #[test]
    fn a_stream_that_is_dropped_keeps_what_it_received() {
        let server =
            Server::start(Script::ndjson_open([ollama::chat_text("Hel"), ollama::chat_text("lo")]).stall());
        let engine = Engine::start(EngineConfig::default()).unwrap();
        let client = Client::new(&server.url()).unwrap();
        let request = ChatRequest::new("m").user("hello");
        let prepared = StreamSpec::chat(&client, request.clone());
        let init = init(engine.shared(), JobOptions::default(), "m".into(), Some(prepared));
        let cell = Arc::new(Cell::new(init));
        cell.admit();
        let mut task = StreamTask::new(Arc::clone(&cell), client.chat(request));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut task).poll(cx).is_pending());
            if cell.text() == "Hello" { Poll::Ready(()) } else { Poll::Pending }
        }));
        drop(task);
        let outcome = cell.outcome().unwrap();
        assert_eq!(outcome.ending, engine_ended());
        assert_eq!((outcome.reply.text.as_str(), outcome.stats.records), ("Hello", 2));
    }
}
