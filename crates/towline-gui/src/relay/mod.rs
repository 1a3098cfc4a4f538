//! The window's client of a relay: its address, its jobs, and orders to it.
//!
//! Nothing here waits: one task of the engine listens to the relay and keeps the list of its jobs, and others
//! send orders. The window reads the results once per frame.
//!
//! | file | its one job |
//! |---|---|
//! | `list` | the list of its jobs |
//! | `order` | orders to it |

mod list;
mod order;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use towline::client::Timeouts;
use towline::engine::{StreamSpec, Task};
use towline::error::ErrorKind;
use towline::relay::{self, Job, READER_TIMEOUTS, Reconnect, RelayConfig, Start};
use towline::{ChatRequest, Engine, Error};
use towline_app::answers::Verb;
use towline_app::servers::{Environment, Reached, RelayPlace, ServerError};

pub use list::{Connection, KnownJob, List, MAX_LISTED};
pub use order::{Control, RelayOrder};

/// The time limit of an order.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the relay may be out of reach before its list counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// News for the window since the last read.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The relay answers now.
    Here,
    /// It no longer answers; with the reason.
    Lost(String),
    /// It cannot be started; with the reason.
    CannotStart(String),
    /// It runs an answer that was not known before.
    Runs(Box<Job>),
    /// The request of an answer to read, by the answer's id; `None` if the relay did not keep it.
    Request(String, Option<Box<ChatRequest>>),
    /// An order failed; with the error, for people.
    Complaint(String),
}

/// The window's view of a relay.
pub struct Relay {
    /// Its address, and a client of it.
    reached: Reached,
    /// A control client that reports a lost relay at once.
    control: relay::Control,
    list: Arc<Mutex<List>>,
    wake: Arc<dyn Fn() + Send + Sync>,
    /// Makes the listener contact it at once.
    checks: Arc<Notify>,
    listening: Option<Task<()>>,
    orders: Vec<Ordered>,
}

/// An order that is being sent.
struct Ordered {
    /// The order with its job, for people.
    what: String,
    id: String,
    forgets: bool,
    task: Task<Result<Option<News>, Error>>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("place", self.place()).finish_non_exhaustive()
    }
}

impl Relay {
    /// The relay at an address. Nothing listens to it yet. `wake` is called from other threads when there is
    /// news, once until the next [`poll`](Self::poll).
    ///
    /// # Errors
    /// An unusable address.
    pub fn new(
        place: RelayPlace,
        environment: &Environment,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        let timeouts =
            Timeouts { first_event: Some(ANSWER_TIME), idle: Some(ANSWER_TIME), ..READER_TIMEOUTS };
        let reconnect = Reconnect { give_up_after: LOST, ..Reconnect::default() };
        let impatient = RelayConfig { reconnect, ..RelayConfig::default() };
        Ok(Self {
            control: place.client(environment, timeouts, impatient)?.relay(),
            reached: Reached::new(place, environment, READER_TIMEOUTS, RelayConfig::default())?,
            list: Arc::default(),
            wake: Arc::new(wake),
            checks: Arc::default(),
            listening: None,
            orders: Vec::new(),
        })
    }

    /// Where it is.
    pub fn place(&self) -> &RelayPlace {
        &self.reached.place
    }

    /// Whether it is this user's own relay, which may be started.
    pub fn is_own(&self) -> bool {
        self.place().own.is_some()
    }

    /// Its jobs.
    pub fn list(&self) -> MutexGuard<'_, List> {
        lock(&self.list)
    }

    /// Whether it answers.
    pub fn is_here(&self) -> bool {
        self.list().connection == Connection::Connected
    }

    /// Starts or stops listening to it. While it `is_needed`, the own relay is restarted whenever it does not
    /// run.
    pub fn listen(&mut self, engine: &Engine, listens: bool, is_needed: bool) {
        match (&self.listening, listens) {
            (None, true) => {
                self.list().connection = Connection::Connecting;
                let (list, checks, wake) =
                    (Arc::clone(&self.list), Arc::clone(&self.checks), Arc::clone(&self.wake));
                let (reached, control) = (self.reached.clone(), self.control.clone());
                let listening = list::maintain(reached, control, list, checks, move || wake());
                self.listening = Some(engine.spawn("listen to the relay", listening));
            }
            (Some(task), false) => {
                task.job.cancel("nothing reads it");
                self.listening = None;
                *self.list() = List::default();
            }
            (None, false) | (Some(_), true) => {}
        }
        self.list().is_needed = is_needed;
    }

    /// Contacts it now, unless it answers; an earlier attempt may have come before its start.
    pub fn check_now(&self) {
        if !self.is_here() {
            self.checks.notify_one();
        }
    }

    /// Makes the listener start it, if it is the own relay.
    pub fn start(&self) {
        if self.is_own() && !self.is_here() {
            self.list().connection = Connection::Starting;
            self.checks.notify_one();
        }
    }

    /// One of its answers from the beginning, for a job of the engine that controls it.
    pub fn answer(&self, id: &str) -> StreamSpec {
        StreamSpec::attach(&self.reached.client, id, Start::Beginning)
    }

    /// Sends an order for one of its jobs.
    pub fn order(&mut self, engine: &Engine, id: &str, order: RelayOrder) {
        let control = self.control.clone();
        let (job, wake) = (id.to_owned(), Arc::clone(&self.wake));
        let what = match &order {
            RelayOrder::Verb(Verb::Kill(_)) => "stopped",
            RelayOrder::Verb(Verb::Pause) => "paused",
            RelayOrder::Verb(Verb::Unpause) => "unpaused",
            RelayOrder::Verb(Verb::Deadline(_)) => "given another deadline",
            RelayOrder::Verb(Verb::Retry) => "asked again",
            RelayOrder::Verb(Verb::Rename(_)) => "renamed",
            RelayOrder::Verb(Verb::Forget) => "forgotten",
            RelayOrder::Read => "read",
            // The window handles this itself.
            RelayOrder::Show => return,
        };
        let forgets = order == RelayOrder::Verb(Verb::Forget);
        let task = engine.spawn("order", async move {
            let done = match order {
                RelayOrder::Verb(verb) => verb.apply(&control, &job).await.map(|_| None),
                RelayOrder::Read => match control.request(&job).await {
                    Err(error) if error.kind == ErrorKind::NotFound => Err(error),
                    // A request that is not a chat is ignored.
                    request => {
                        let request = request.ok().and_then(|request| serde_json::from_value(request).ok());
                        Ok(Some(News::Request(job, request)))
                    }
                },
                RelayOrder::Show => Ok(None),
            };
            wake();
            done
        });
        let what = format!("job {} cannot be {what}", short(id));
        self.orders.push(Ordered { what, id: id.to_owned(), forgets, task });
    }

    /// The news since the last call. Never waits.
    pub fn poll(&mut self, engine: &Engine) -> Vec<News> {
        let mut news = self.list().take_news();
        for Ordered { what, id, forgets, task } in
            self.orders.extract_if(.., |ordered| ordered.task.job.outcome().is_some()).collect::<Vec<_>>()
        {
            engine.forget(task.job.id());
            let gone = match task.take_value() {
                Some(Ok(reported)) => {
                    news.extend(reported);
                    forgets
                }
                Some(Err(error)) => {
                    let is_gone = error.kind == ErrorKind::NotFound;
                    if !(is_gone && forgets) {
                        news.push(News::Complaint(format!("{what}: {}", error.message)));
                    }
                    is_gone
                }
                None => false,
            };
            if gone {
                self.list().jobs.remove(&id);
            }
        }
        news
    }
}

/// The short form of an id for people.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
