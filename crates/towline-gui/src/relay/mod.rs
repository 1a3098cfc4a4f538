//! The window's side of a relay: where it is, what it runs, and telling it what to do.
//!
//! Nothing here waits: an engine's task listens to the relay and keeps the list of its jobs, others tell it what was
//! ordered; the window looks at both once per frame.
//!
//! | file | its one job |
//! |---|---|
//! | `list` | its jobs, as it tells them |
//! | `order` | what it can be told |

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
use towline_app::servers::{Environment, Reached, RelayPlace, ServerError};

pub use list::{Known, List, MAX_LISTED, Standing};
pub use order::{Control, RelayOrder};

/// How long the relay may take over an order.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the relay may be out of reach before its list counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// What the window should know since its last look.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The relay answers now.
    Here,
    /// It answered, and no longer does; why.
    Lost(String),
    /// It cannot be started; why.
    CannotStart(String),
    /// It runs an answer that was not known before.
    Runs(Box<Job>),
    /// The request of an answer that is to be read, by the answer's id; none where the relay did not keep it.
    Request(String, Option<Box<ChatRequest>>),
    /// Something that was asked of it did not work; for people.
    Complaint(String),
}

/// A relay as the window knows it.
pub struct Relay {
    /// Where it is, and a client of it.
    reached: Reached,
    /// Control that says at once when the relay is lost.
    control: relay::Control,
    list: Arc<Mutex<List>>,
    wake: Arc<dyn Fn() + Send + Sync>,
    /// Has the listener look for it at once.
    looks: Arc<Notify>,
    listening: Option<Task<()>>,
    orders: Vec<Ordered>,
}

/// An order on its way.
struct Ordered {
    /// What it is, for people, with the job.
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
    /// The relay at a place. Nobody listens to it yet. `wake` is called from other threads when there is news, once
    /// until the next [`look`](Self::look).
    ///
    /// # Errors
    /// An address that cannot be used.
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
            looks: Arc::default(),
            listening: None,
            orders: Vec::new(),
        })
    }

    /// Where it is.
    pub fn place(&self) -> &RelayPlace {
        &self.reached.place
    }

    /// Whether it is this user's own, which may be started.
    pub fn is_own(&self) -> bool {
        self.place().own.is_some()
    }

    /// Its jobs.
    pub fn list(&self) -> MutexGuard<'_, List> {
        lock(&self.list)
    }

    /// Whether it answers.
    pub fn is_here(&self) -> bool {
        self.list().standing == Standing::Here
    }

    /// Listens to it, or no longer. The own relay is started whenever it does not run, while it `is_needed`.
    pub fn listen(&mut self, engine: &Engine, listens: bool, is_needed: bool) {
        match (&self.listening, listens) {
            (None, true) => {
                self.list().standing = Standing::Looking;
                let (list, looks, wake) =
                    (Arc::clone(&self.list), Arc::clone(&self.looks), Arc::clone(&self.wake));
                let (reached, control) = (self.reached.clone(), self.control.clone());
                let listening = list::keep(reached, control, list, looks, move || wake());
                self.listening = Some(engine.spawn("listen to the relay", listening));
            }
            (Some(task), false) => {
                task.job.cancel("nobody looks");
                self.listening = None;
                *self.list() = List::default();
            }
            (None, false) | (Some(_), true) => {}
        }
        self.list().is_needed = is_needed;
    }

    /// Looks for it now, unless it is here; it may have been looked for before it was started.
    pub fn look_again(&self) {
        if !self.is_here() {
            self.looks.notify_one();
        }
    }

    /// Has it started, where that is this program's to do and it is listened to.
    pub fn start(&self) {
        if self.is_own() && !self.is_here() {
            self.list().standing = Standing::Starting;
            self.looks.notify_one();
        }
    }

    /// One of its answers from the beginning, to be read by an engine's job that controls it.
    pub fn answer(&self, id: &str) -> StreamSpec {
        StreamSpec::attach(&self.reached.client, id, Start::Beginning)
    }

    /// Orders something of one of its jobs.
    pub fn order(&mut self, engine: &Engine, id: &str, order: RelayOrder) {
        let control = self.control.clone();
        let (job, wake) = (id.to_owned(), Arc::clone(&self.wake));
        let what = match &order {
            RelayOrder::Control(Control::Stop) => "stopped",
            RelayOrder::Control(Control::Pause) => "paused",
            RelayOrder::Control(Control::Unpause) => "unpaused",
            RelayOrder::Control(Control::Deadline(_)) => "given another deadline",
            RelayOrder::Retry => "asked again",
            RelayOrder::Rename(_) => "renamed",
            RelayOrder::Forget => "forgotten",
            RelayOrder::Read => "read",
            // This is the window's to do.
            RelayOrder::Show => return,
        };
        let forgets = order == RelayOrder::Forget;
        let task = engine.spawn("order", async move {
            let mut said = None;
            let done = match order {
                RelayOrder::Control(Control::Stop) => {
                    control.cancel(&job, "stopped in the window").await.map(drop)
                }
                RelayOrder::Control(Control::Pause) => control.pause(&job).await.map(drop),
                RelayOrder::Control(Control::Unpause) => control.unpause(&job).await.map(drop),
                RelayOrder::Control(Control::Deadline(deadline)) => {
                    control.set_deadline(&job, deadline).await.map(drop)
                }
                RelayOrder::Retry => control.retry(&job).await.map(drop),
                RelayOrder::Rename(name) => control.rename(&job, &name).await.map(drop),
                RelayOrder::Forget => control.delete(&job).await,
                RelayOrder::Read => match control.request(&job).await {
                    Err(error) if error.kind == ErrorKind::NotFound => Err(error),
                    // A request that is no chat's is as good as none.
                    request => {
                        let request = request.ok().and_then(|request| serde_json::from_value(request).ok());
                        said = Some(News::Request(job, request));
                        Ok(())
                    }
                },
                RelayOrder::Show => Ok(()),
            };
            wake();
            done.map(|()| said)
        });
        let what = format!("job {} cannot be {what}", short(id));
        self.orders.push(Ordered { what, id: id.to_owned(), forgets, task });
    }

    /// What is new since the last look. Never waits.
    pub fn look(&mut self, engine: &Engine) -> Vec<News> {
        let mut news = self.list().take_news();
        for Ordered { what, id, forgets, task } in
            self.orders.extract_if(.., |ordered| ordered.task.job.outcome().is_some()).collect::<Vec<_>>()
        {
            engine.forget(task.job.id());
            let gone = match task.take_value() {
                Some(Ok(said)) => {
                    news.extend(said);
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

/// As much of an id as people need.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
