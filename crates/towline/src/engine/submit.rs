//! The ways to create a job.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use towline_core::api::{ChatRequest, CreateRequest, GenerateRequest, PullRequest, PushRequest};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::Event;
use towline_core::outcome::Ending;

use super::cell::{Cell, CellInit, plain_outcome};
use super::external::{External, ExternalTask, Order};
use super::task::{FutureTask, StreamTask};
use super::waiting::News;
use super::{Engine, Group, Job, Shared, Task};
use crate::endpoints::Operation;
use crate::handle::Client;
use crate::relay::Start;
use crate::stream::Stream;

/// The options of a job at submission. Build it with `..JobOptions::default()`.
#[derive(Debug, Clone, Default)]
pub struct JobOptions {
    /// The name of the job. Default: the model's name, or `task`.
    pub name: Option<String>,
    /// The group of the job, for display. Default: none.
    pub group: Option<String>,
    /// Queued jobs of higher priority run first. Default: 0.
    pub priority: i32,
    /// The time from now after which the job times out. It can be changed while the job runs. Default: never.
    pub deadline: Option<Duration>,
}

/// A description of a stream, which can be started any number of times.
#[derive(Clone)]
pub struct StreamSpec {
    make: Arc<dyn Fn() -> Stream + Send + Sync>,
    model: Arc<str>,
    host: Arc<str>,
}

impl StreamSpec {
    fn new(client: &Client, model: &str, make: impl Fn() -> Stream + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), model: model.into(), host: client.endpoint().to_string().into() }
    }

    /// A chat.
    pub fn chat(client: &Client, request: ChatRequest) -> Self {
        let (client, model) = (client.clone(), request.model.clone());
        Self::new(&client.clone(), &model, move || client.chat(request.clone()))
    }

    /// A completion.
    pub fn generate(client: &Client, request: GenerateRequest) -> Self {
        let (client, model) = (client.clone(), request.model.clone());
        Self::new(&client.clone(), &model, move || client.generate(request.clone()))
    }

    /// A pull.
    pub fn pull(client: &Client, request: PullRequest) -> Self {
        let (client, model) = (client.clone(), request.model.clone());
        Self::new(&client.clone(), &model, move || client.pull(request.clone()))
    }

    /// A push.
    pub fn push(client: &Client, request: PushRequest) -> Self {
        let (client, model) = (client.clone(), request.model.clone());
        Self::new(&client.clone(), &model, move || client.push(request.clone()))
    }

    /// A creation of a model.
    pub fn create(client: &Client, request: CreateRequest) -> Self {
        let (client, model) = (client.clone(), request.model.clone());
        Self::new(&client.clone(), &model, move || client.create(request.clone()))
    }

    /// A streamed operation on `model` with a request that the caller has written, and that asks for a
    /// stream.
    pub fn operate(client: &Client, operation: Operation, model: &str, body: Bytes) -> Self {
        let operated = client.clone();
        Self::new(client, model, move || operated.operate(operation, body.clone()))
    }

    /// A stream that a relay runs or has run, read from `start` on. A job made from it controls the relay's
    /// job.
    pub fn attach(client: &Client, id: &str, start: Start) -> Self {
        let (client, id) = (client.clone(), id.to_owned());
        Self::new(&client.clone(), &id.clone(), move || client.attach(&id, start))
    }

    /// The same specification, with a function that changes every stream, for example
    /// [`Stream::with_timeouts`].
    #[must_use]
    pub fn map(self, change: impl Fn(Stream) -> Stream + Send + Sync + 'static) -> Self {
        let make = self.make;
        Self { make: Arc::new(move || change(make())), ..self }
    }
}

impl fmt::Debug for StreamSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSpec")
            .field("model", &self.model)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Each method returns a job at once. A failure, even a shut-down engine, becomes the job's outcome.
impl Engine {
    /// Continues a conversation in the background.
    pub fn chat(&self, client: &Client, request: ChatRequest) -> Job {
        self.submit(StreamSpec::chat(client, request), JobOptions::default())
    }

    /// Completes a text in the background.
    pub fn generate(&self, client: &Client, request: GenerateRequest) -> Job {
        self.submit(StreamSpec::generate(client, request), JobOptions::default())
    }

    /// Fetches a model in the background.
    pub fn pull(&self, client: &Client, request: PullRequest) -> Job {
        self.submit(StreamSpec::pull(client, request), JobOptions::default())
    }

    /// Starts a prepared stream as a job.
    pub fn submit(&self, prepared: StreamSpec, options: JobOptions) -> Job {
        submit_stream(self.shared(), prepared, options)
    }

    /// Starts several prepared streams as a group, for example one prompt for several models, or several
    /// prompts.
    pub fn submit_group(&self, name: &str, streams: impl IntoIterator<Item = StreamSpec>) -> Group {
        let options = JobOptions { group: Some(name.to_owned()), ..JobOptions::default() };
        Group::of(streams.into_iter().map(|prepared| self.submit(prepared, options.clone())))
    }

    /// Runs any future as a job. A cancel or the deadline drops the future at its next await.
    ///
    /// A future that holds the engine keeps it alive until it ends; give it a
    /// [`WeakEngine`](super::WeakEngine). Create tokio's futures inside it: `async { sleep(time).await }`.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.spawn_task(name.into(), JobOptions::default(), false, |_| future)
    }

    /// Runs a future that handles its own cancellation: it may clean up before it ends, and its return value
    /// is kept. [`Job::cancel_now`] and the deadline drop it nevertheless.
    pub fn spawn_with<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        options: JobOptions,
        make: impl FnOnce(TaskControl) -> F,
    ) -> Task<T> {
        let name = options.name.as_deref().unwrap_or("task").into();
        self.spawn_task(name, options, true, make)
    }

    /// Makes a job of work that runs elsewhere: on another event loop, on a thread, in another language. The
    /// engine calls `on_order` with the job's orders, on its own threads, so `on_order` must neither block nor panic.
    /// The work reports its start and its end through the [`External`]. Until it reports its end, a job that
    /// was cancelled or whose deadline has passed is *cancelling*.
    pub fn spawn_external(
        &self,
        options: JobOptions,
        on_order: impl FnMut(Order) + Send + 'static,
    ) -> (Job, External) {
        let shared = self.shared();
        let name = options.name.as_deref().unwrap_or("task").into();
        let cell = Arc::new(Cell::new(init(shared, options, name, None)));
        let (task, external) = ExternalTask::new(&cell, on_order);
        if admit(shared, &cell) {
            start(shared, task);
        }
        (Job::of(cell), external)
    }

    fn spawn_task<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        name: Arc<str>,
        options: JobOptions,
        cleans_up: bool,
        make: impl FnOnce(TaskControl) -> F,
    ) -> Task<T> {
        let shared = self.shared();
        let cell = Arc::new(Cell::new(init(shared, options, name, None)));
        let value = Arc::new(Mutex::new(None));
        let future = make(TaskControl { cell: Arc::clone(&cell) });
        if admit(shared, &cell) {
            start(shared, FutureTask::new(Arc::clone(&cell), future, Arc::clone(&value), cleans_up));
        }
        Task { job: Job::of(cell), value }
    }
}

pub(super) fn submit_stream(shared: &Arc<Shared>, prepared: StreamSpec, options: JobOptions) -> Job {
    let name = options.name.as_deref().map_or_else(|| Arc::clone(&prepared.model), Into::into);
    let stream = (prepared.make)();
    let cell = Arc::new(Cell::new(init(shared, options, name, Some(prepared))));
    if admit(shared, &cell) {
        start(shared, StreamTask::new(Arc::clone(&cell), stream));
    }
    Job::of(cell)
}

pub(super) fn init(
    shared: &Arc<Shared>,
    options: JobOptions,
    name: Arc<str>,
    prepared: Option<StreamSpec>,
) -> CellInit {
    CellInit {
        id: shared.table.next_id(),
        shared: Arc::downgrade(shared),
        host: prepared.as_ref().map(|prepared| Arc::clone(&prepared.host)),
        model: prepared.as_ref().map(|prepared| Arc::clone(&prepared.model)),
        prepared,
        name,
        group: options.group.map(Into::into),
        priority: options.priority,
        deadline: options.deadline,
    }
}

/// Adds the job to the table; a job that the table refuses ends here.
fn admit(shared: &Arc<Shared>, cell: &Arc<Cell>) -> bool {
    let taken = shared.table.add(cell);
    if taken {
        shared.table.changed(cell, &shared.wake);
    } else {
        let error = Error::new(ErrorKind::InvalidRequest, Fault::Caller, "the engine is shut down");
        cell.finish(plain_outcome(Ending::Failed(error), Instant::now()));
    }
    taken
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engine owns its jobs: the table knows each and shutdown ends it"
)]
fn start(shared: &Shared, task: impl Future<Output = ()> + Send + 'static) {
    // A task that is spawned after the runtime's end is dropped, which ends its job.
    if let Some(runtime) = &*shared.runtime.read().unwrap_or_else(PoisonError::into_inner) {
        drop(runtime.spawn(task));
    }
}

/// A handle with which a running task accesses its own job.
#[derive(Debug, Clone)]
pub struct TaskControl {
    cell: Arc<Cell>,
}

impl TaskControl {
    /// Waits until the job is cancelled; the task should then clean up and return.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn cancelled(&self) {
        self.cell.wait(News::Any, |job| job.orders.cancel.is_some().then_some(())).await;
    }

    /// Whether the job was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cell.inner().orders.cancel.is_some()
    }

    /// Appends an event to the job's log, for its readers. Waits while the log is full. Has no effect once
    /// the job has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the event was not appended.
    pub async fn emit(&self, event: Event) {
        let mut unsent = event;
        while let Err(event) = self.cell.emit(unsent) {
            unsent = event;
            let is_running = self.cell.wait(News::Any, |job| match &job.outcome {
                Some(_) => Some(false),
                None => (!job.full).then_some(true),
            });
            if !is_running.await {
                return;
            }
        }
    }

    /// Appends an event to the job's log unless the log is full.
    ///
    /// # Errors
    /// The event, if the log is full or the job has ended.
    pub fn try_emit(&self, event: Event) -> Result<(), Event> {
        self.cell.emit(event)
    }
}
