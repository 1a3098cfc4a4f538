//! The engine: jobs in the background, with a scripted server behind them.

mod budget;
mod cancel;
mod changes;
mod deadline;
mod examples;
mod external;
mod group;
mod inside;
mod leaks;
mod model;
mod pause;
mod queue;
mod reader;
mod shutdown;
mod state;
mod task;

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towline::engine::JobState;
use towline::engine::{JobId, JobOptions, StartAt, StreamSpec};
use towline::{ChatRequest, Client, Engine, EngineConfig, Event, Job, Outcome};
use towline_testkit::{Body, Script, Server, http::NDJSON, records::ollama};

/// A test fails if it waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn engine() -> Engine {
    engine_with(EngineConfig::default())
}

fn engine_with(config: EngineConfig) -> Engine {
    Engine::start(config).unwrap()
}

fn client(server: &Server) -> Client {
    Client::new(&server.url()).unwrap()
}

fn request(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("hello")
}

fn chat(engine: &Engine, server: &Server) -> Job {
    engine.chat(&client(server), request("m"))
}

fn submit(engine: &Engine, server: &Server, options: JobOptions) -> Job {
    engine.submit(StreamSpec::chat(&client(server), request("m")), options)
}

/// Two words, then nothing more.
fn silent() -> Script {
    Script::ndjson_open([ollama::chat_text("Hel"), ollama::chat_text("lo")]).stall()
}

/// A complete answer that waits at the gate `go` before its first record.
fn gated() -> Script {
    Script::request()
        .wait("go")
        .head(200, NDJSON, Body::Chunked)
        .lines(ollama::chat(&["a", "b"]))
        .end_chunks()
}

fn outcome(job: &Job) -> Arc<Outcome> {
    job.wait_timeout(PATIENCE).unwrap().expect("the job does not end")
}

fn text_of(events: &[Event]) -> String {
    let text = |event: &Event| if let Event::Text(text) = event { text.clone() } else { String::new() };
    events.iter().map(text).collect()
}

/// Spins until a condition is true that has no notification.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::yield_now();
    }
}

/// A foreground that looks only when it is woken by the descriptor, and remembers what it saw.
struct Foreground<'e> {
    engine: &'e Engine,
    states: HashMap<JobId, Vec<JobState>>,
    wakes: usize,
}

impl<'e> Foreground<'e> {
    fn of(engine: &'e Engine) -> Self {
        let mut foreground = Self { engine, states: HashMap::new(), wakes: 0 };
        engine.fd().unwrap();
        foreground.look();
        foreground
    }

    fn look(&mut self) {
        for info in self.engine.changes().jobs {
            let states = self.states.entry(info.id).or_default();
            if states.last() != Some(&info.state) {
                states.push(info.state);
            }
        }
    }

    /// Sleeps in poll(2) until woken, looks, and again until `is_so`.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        while !is_so(self) {
            assert!(is_readable(self.engine, PATIENCE), "never woken for: {what}; saw {:?}", self.states);
            self.wakes += 1;
            self.look();
        }
    }

    fn until_state(&mut self, job: &Job, state: JobState) {
        let id = job.id();
        self.until(state.as_str(), |seen| {
            seen.states.get(&id).and_then(|states| states.last()) == Some(&state)
        });
    }
}

fn is_readable(engine: &Engine, within: Duration) -> bool {
    let fd = engine.fd().unwrap();
    let time = Timespec::try_from(within).unwrap();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&time)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

type News = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A reader from the current end of the job's log.
fn news(job: &Job) -> News {
    Box::pin(job.reader(StartAt::Now).news())
}

/// Records a job's state at each notification of the job.
struct Recorder {
    job: Job,
    /// `None` after the end.
    news: Mutex<Option<News>>,
    states: Mutex<Vec<JobState>>,
}

impl Recorder {
    fn of(job: &Job) -> Arc<Self> {
        let recorder = Arc::new(Self {
            job: job.clone(),
            news: Mutex::new(Some(news(job))),
            states: Mutex::new(vec![job.state()]),
        });
        Arc::clone(&recorder).wake();
        recorder
    }

    /// The states except *cancelling*, which passes too quickly to be seen each time; it may only come before the end.
    fn states_but_cancelling(&self) -> Vec<JobState> {
        let states = self.states();
        let at = states.iter().position(|state| *state == JobState::Cancelling);
        assert!(at.is_none_or(|at| at + 2 == states.len()), "{states:?}");
        states.into_iter().filter(|state| *state != JobState::Cancelling).collect()
    }

    /// The states in order, one for each time that a state was entered.
    fn states(&self) -> Vec<JobState> {
        outcome(&self.job);
        // All waiters are notified of the end, in any order.
        eventually("the recorder hears of the end", || self.news.lock().unwrap().is_none());
        self.states.lock().unwrap().clone()
    }
}

impl Wake for Recorder {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut place = self.news.lock().unwrap();
        let Some(news) = &mut *place else { return };
        let mut ended = self.job.outcome().is_some();
        while news.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() && !ended {
            // News of text: the next ones start at its end; or of the end, which stays news.
            *news = self::news(&self.job);
            ended = self.job.outcome().is_some();
        }
        let state = self.job.state();
        let mut states = self.states.lock().unwrap();
        if states.last() != Some(&state) {
            states.push(state);
        }
        if ended {
            *place = None;
        }
    }
}

/// Occupies the only permit of an engine with `max_running: 1` until it is ended.
fn occupy(engine: &Engine) -> Job {
    let task = engine.spawn("occupies the engine", std::future::pending::<()>());
    eventually("the task runs", || task.job.state() == JobState::Running);
    task.job
}
