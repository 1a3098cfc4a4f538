//! The slots of the model: a thread for each answer that runs, up to a limit, and a queue in order of arrival.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::brook::Brook;
use crate::engine::answer::{Cancelled, Finish, Piece, Settings, Sink, Slot};

/// Pieces that may wait for a reader before the answer's thread waits too.
const PIECES_IN_FLIGHT: usize = 64;

/// What a slot is asked to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Answer a prompt of at least one token that is shorter than the context.
    Answer { prompt: Vec<u32>, settings: Settings },
    /// Embed texts of at least one token each that fit the context.
    Embed { inputs: Vec<Vec<u32>> },
}

/// What comes back, in order; the last one is `Finished` or `Embedded`.
#[derive(Debug)]
pub(crate) enum Event {
    Piece(Piece),
    Finished(Finish),
    Embedded(Vec<Vec<f32>>),
}

/// More requests wait than the queue may hold.
#[derive(Debug)]
pub(crate) struct QueueFull;

/// The reading end of one request. Dropping it cancels the request: in the queue, between pieces of the prompt, and
/// between tokens.
#[derive(Debug)]
pub(crate) struct Answering {
    events: mpsc::Receiver<Event>,
    wanted: Arc<Wanted>,
}

impl Answering {
    /// The next event; `None` when the engine failed before its last one.
    ///
    /// Cancel safety: cancellation safe, no event is lost.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// As [`Self::next`].
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.wanted.end();
    }
}

/// Whether an answer still has a reader; wakes a thread that paces itself.
#[derive(Debug)]
struct Wanted {
    ended: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Wanted {
    fn end(&self) {
        let _held = ignore_poison(self.lock.lock());
        self.ended.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.ended.load(Ordering::Acquire) { Err(Cancelled) } else { Ok(()) }
    }

    fn wait_until(&self, moment: Instant) -> Result<(), Cancelled> {
        let mut held = ignore_poison(self.lock.lock());
        loop {
            self.check()?;
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            held = ignore_poison(self.changed.wait_timeout(held, left)).0;
        }
    }
}

struct Job {
    work: Work,
    reply: mpsc::Sender<Event>,
    wanted: Arc<Wanted>,
}

/// All slots of the loaded model. Dropping it lets running and queued requests finish, then its threads end.
#[derive(Debug)]
pub(crate) struct Slots {
    shared: Arc<Shared>,
}

struct Shared {
    brook: Arc<Brook>,
    max_running: usize,
    max_queued: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        write!(formatter, "{} threads, {} idle, {} queued", state.threads, state.idle, state.queue.len())
    }
}

impl Slots {
    /// At most `max_running` requests run at once, and at most `max_queued` wait.
    pub(crate) fn new(brook: Arc<Brook>, max_running: usize, max_queued: usize) -> Self {
        let shared = Shared {
            brook,
            max_running: max_running.max(1),
            max_queued,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn brook(&self) -> &Arc<Brook> {
        &self.shared.brook
    }

    /// Hands a request to a free slot, or puts it at the end of the queue.
    pub(crate) fn submit(&self, work: Work) -> Result<Answering, QueueFull> {
        let (reply, events) = mpsc::channel(PIECES_IN_FLIGHT);
        let wanted =
            Arc::new(Wanted { ended: AtomicBool::new(false), lock: Mutex::new(()), changed: Condvar::new() });
        let job = Job { work, reply, wanted: Arc::clone(&wanted) };
        let mut state = self.shared.state();
        state.queue.retain(|job| job.wanted.check().is_ok());
        let free = state.idle + (self.shared.max_running - state.threads.min(self.shared.max_running));
        if state.queue.len() >= free + self.shared.max_queued {
            return Err(QueueFull);
        }
        state.queue.push_back(job);
        if state.queue.len() > state.idle && state.threads < self.shared.max_running {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("towline-slot".into());
            if thread.spawn(move || shared.run()).is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                state.queue.pop_back();
                return Err(QueueFull);
            }
        }
        drop(state);
        self.shared.changed.notify_one();
        Ok(Answering { events, wanted })
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        ignore_poison(self.state.lock())
    }

    /// One slot's thread.
    fn run(&self) {
        let mut slot = Slot::new(Arc::clone(&self.brook));
        while let Some(job) = self.next_job() {
            // A panic in the engine would be a fault of ours; it costs its own request and no other.
            if catch_unwind(AssertUnwindSafe(|| work(&mut slot, job))).is_err() {
                slot = Slot::new(Arc::clone(&self.brook));
            }
        }
        self.state().threads -= 1;
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            while let Some(job) = state.queue.pop_front() {
                if job.wanted.check().is_ok() {
                    return Some(job);
                }
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = ignore_poison(self.changed.wait(state));
            state.idle -= 1;
        }
    }
}

fn work(slot: &mut Slot, job: Job) {
    let mut reader = Reader { reply: job.reply, wanted: job.wanted };
    let last = match job.work {
        Work::Answer { prompt, settings } => {
            slot.answer(&prompt, &settings, &mut reader).map(Event::Finished)
        }
        Work::Embed { inputs } => inputs
            .iter()
            .map(|tokens| slot.embed(tokens, &mut reader))
            .collect::<Result<_, _>>()
            .map(Event::Embedded),
    };
    if let Ok(event) = last {
        // A reader that left just before the end needs no answer any more.
        drop(reader.reply.blocking_send(event));
    }
}

struct Reader {
    reply: mpsc::Sender<Event>,
    wanted: Arc<Wanted>,
}

impl Sink for Reader {
    fn piece(&mut self, piece: Piece) -> Result<(), Cancelled> {
        self.reply.blocking_send(Event::Piece(piece)).map_err(|_| Cancelled)
    }

    fn wanted(&mut self) -> Result<(), Cancelled> {
        self.wanted.check()
    }

    fn wait_until(&mut self, moment: Instant) -> Result<(), Cancelled> {
        self.wanted.wait_until(moment)
    }
}

/// The state behind these locks is valid after each statement, so a panic elsewhere does not spoil it.
fn ignore_poison<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample::Sampling;

    fn slots(max_running: usize, max_queued: usize) -> Slots {
        Slots::new(Arc::new(Brook::load()), max_running, max_queued)
    }

    /// An answer of `max_tokens` tokens, of the some forty that the model would say.
    fn answer(slots: &Slots, max_tokens: usize, rate: Option<f32>) -> Work {
        let text = "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n";
        let sampling = Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() };
        let prompt = slots.brook().tokenizer.encode(text);
        let settings =
            Settings { sampling, stop: Vec::new(), max_tokens, context: 512, top_logprobs: None, rate };
        Work::Answer { prompt, settings }
    }

    impl Slots {
        fn short(&self, max_tokens: usize) -> Result<Answering, QueueFull> {
            self.submit(answer(self, max_tokens, None))
        }

        /// So slow that it never ends within a test.
        fn endless(&self) -> Answering {
            self.submit(answer(self, 400, Some(0.01))).unwrap()
        }
    }

    fn begins(answering: &mut Answering) -> bool {
        answering.events.blocking_recv().is_some()
    }

    fn finish(mut answering: Answering) -> Finish {
        loop {
            if let Event::Finished(finish) = answering.events.blocking_recv().unwrap() {
                return finish;
            }
        }
    }

    #[test]
    fn a_full_queue_refuses_and_those_who_leave_make_room() {
        let slots = slots(1, 2);
        let mut running = slots.endless();
        assert!(begins(&mut running));
        let waits = slots.short(1).unwrap();
        let leaves = slots.short(1).unwrap();
        assert!(slots.short(1).is_err());
        drop(leaves);
        let comes = slots.short(1).unwrap();
        assert!(slots.short(1).is_err());
        // A thread that paces itself for 100 seconds wakes up when its reader leaves.
        drop(running);
        assert_eq!(finish(waits).answer_tokens, 1);
        assert_eq!(finish(comes).answer_tokens, 1);
    }

    #[test]
    fn as_many_run_as_may_and_idle_threads_are_used_again() {
        let slots = slots(2, 8);
        let mut both: Vec<Answering> = (0..2).map(|_| slots.endless()).collect();
        assert!(both.iter_mut().all(begins));
        let mut third = slots.short(3).unwrap();
        assert!(third.events.try_recv().is_err());
        both.pop();
        assert_eq!(finish(third).answer_tokens, 3);
        for _ in 0..10 {
            assert_eq!(finish(slots.short(1).unwrap()).answer_tokens, 1);
        }
        assert_eq!(slots.shared.state().threads, 2);
    }

    #[test]
    fn letting_go_lets_running_answers_finish() {
        let slots = slots(1, 8);
        let running = slots.short(50).unwrap();
        let queued = slots.short(5).unwrap();
        let shared = Arc::clone(&slots.shared);
        drop(slots);
        assert!(finish(running).answer_tokens > 0);
        assert!(finish(queued).answer_tokens > 0);
        while shared.state().threads > 0 {
            std::thread::yield_now();
        }
    }
}
