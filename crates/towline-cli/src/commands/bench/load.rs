//! The load: a number of concurrent streams and a total number of requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use towline::{ChatRequest, Client, Event, Item};

use super::cost::Cost;
use super::tally::Tally;
use crate::exit::stop::Stopper;

/// How often costs are measured and progress is reported.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The load on the server.
#[derive(Debug)]
pub struct Load {
    /// Streams at once.
    pub streams: usize,
    /// Requests in all.
    pub requests: usize,
    /// Each request.
    pub request: ChatRequest,
}

/// Its result.
#[derive(Debug)]
pub struct Result {
    /// Counts and times.
    pub tally: Tally,
    /// From the start of the first to the end of the last stream.
    pub elapsed: Duration,
    /// CPU time.
    pub cpu: Option<Duration>,
    /// Peak memory above the initial memory, in bytes.
    pub memory_bytes: Option<u64>,
}

/// Runs the load and waits for its end. A signal cancels the running streams. Reports progress to `watch`.
pub async fn run(
    load: &Load,
    client: &Client,
    stopper: &Stopper,
    mut watch: impl FnMut(&Tally, Duration),
) -> Result {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let left = Rc::new(Cell::new(load.requests));
    let before = Cost::now();
    let started = Instant::now();
    let mut most_bytes = before.memory_bytes;
    let local = LocalSet::new();
    let mut streams = JoinSet::new();
    for _ in 0..load.streams.min(load.requests) {
        let worker =
            work(client.clone(), load.request.clone(), Rc::clone(&left), Rc::clone(&tally), stopper.clone());
        streams.spawn_local_on(worker, &local);
    }
    let all = async {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                ended = streams.join_next() => {
                    if ended.is_none() {
                        break;
                    }
                }
                _ = polls.tick() => {
                    most_bytes = most_bytes.max(Cost::now().memory_bytes);
                    watch(&tally.borrow(), started.elapsed());
                }
            }
        }
    };
    local.run_until(all).await;
    let elapsed = started.elapsed();
    let after = Cost::now();
    most_bytes = most_bytes.max(after.memory_bytes);
    Result {
        tally: tally.replace(Tally::new()),
        elapsed,
        cpu: after.cpu.zip(before.cpu).map(|(after, before)| after.saturating_sub(before)),
        memory_bytes: most_bytes.zip(before.memory_bytes).map(|(most, before)| most.saturating_sub(before)),
    }
}

/// One stream after another, until none is left.
async fn work(
    client: Client,
    request: ChatRequest,
    left: Rc<Cell<usize>>,
    tally: Rc<RefCell<Tally>>,
    mut stopper: Stopper,
) {
    while stopper.stop().is_none() && left.get() > 0 {
        left.set(left.get() - 1);
        one(&client, request.clone(), &tally, &mut stopper).await;
    }
}

async fn one(client: &Client, request: ChatRequest, tally: &RefCell<Tally>, stopper: &mut Stopper) {
    let mut stream = client.chat(request);
    let started = Instant::now();
    let mut tokens = 0_u64;
    let (mut first, mut last) = (started, started);
    let mut cancelled = false;
    loop {
        let item = tokio::select! {
            biased;
            stop = stopper.stopped(), if !cancelled => {
                cancelled = true;
                stream.cancel(stop.reason());
                continue;
            }
            item = stream.next() => item,
        };
        match item {
            Some(Item::Event(Event::Text(_) | Event::Thinking(_))) => {
                let now = Instant::now();
                if tokens == 0 {
                    first = now;
                    tally.borrow_mut().first_token(now - started);
                } else {
                    tally.borrow_mut().gap(now - last);
                }
                tokens += 1;
                last = now;
            }
            Some(Item::Event(
                Event::ToolCall(_)
                | Event::Image(_)
                | Event::Logprobs(_)
                | Event::Progress(_)
                | Event::Usage(_),
            )) => {}
            Some(Item::End(outcome)) => return tally.borrow_mut().end(&outcome, tokens, last - first),
            None => return,
        }
    }
}
