//! The state that all requests to a relay share.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use crate::access::{AccessControl, Rules};
use crate::config::{Config, Fsync, Listen, Store};
use crate::devices::Devices;
use crate::error::Error;
use crate::job::{self, AdmissionLimits, AdmissionQueue, Attached, Claim, Finished, Permit, QueueFull, Task};
use crate::listen::LateDoor;
use crate::log::{Ticket, Writer};
use crate::meta::{JobRecord, now_ms};
use crate::metrics::{Metrics, Series};
use crate::quota::Usage;
use crate::recovery;
use crate::registry::{Entry, Reading, StreamRegistry};
use crate::shared::Shared;
use crate::store::{DiskStore, LogStore, MemoryStore, RedisStore, Room};
use crate::tasks::Tasks;
use crate::traces::Traces;
use crate::upstream::{Hop, Upstream, Upstreams};

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) config: Config,
    pub(crate) access: Arc<AccessControl>,
    pub(crate) devices: Devices,
    /// The listener for the page on this machine.
    pub(crate) page_door: LateDoor,
    /// The listener for phones.
    pub(crate) phone_door: LateDoor,
    pub(crate) registry: Arc<StreamRegistry>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) upstreams: Upstreams,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: Metrics,
    pub(crate) traces: Option<Traces>,
    /// The usage of all owners.
    pub(crate) usage: Arc<Usage>,
    /// Its name in forwarded requests.
    pub(crate) hop: Hop,
    pub(crate) began: Instant,
    /// The queue of running and waiting jobs.
    pub(crate) admission: AdmissionQueue,
    /// One permit for each byte of request bodies in memory.
    pub(crate) bodies: Arc<Semaphore>,
    /// Number of answers that have begun and not ended.
    pub(crate) running: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    life: watch::Sender<RelayPhase>,
    /// The addresses on which it listens, for display.
    pub(crate) listening: OnceLock<Vec<Listen>>,
    /// The state for other relays, if several share the store.
    pub(crate) shared: Option<Arc<Shared>>,
}

/// The stage of a relay's life, which only advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RelayPhase {
    Running,
    /// It is shutting down and accepts no new work. Running answers can still be read, watched and
    /// controlled.
    Draining,
    /// No answer runs any more, and connections are closed.
    Closing,
}

/// The reason why a job was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartError {
    Draining,
    QueueFull(QueueFull),
}

impl Relay {
    /// Opens the store and restores its streams, except those of a store that several relays share. Blocks.
    ///
    /// # Errors
    /// An unusable store or certificate.
    pub(crate) fn open(config: Config, tasks: Tasks) -> Result<Arc<Self>, Error> {
        let folder = match &config.store.place {
            Store::Memory | Store::Own | Store::Redis(_) => None,
            Store::Folder(folder) => Some(folder.as_path()),
        };
        let unshared = |source| Error::Shared { source };
        let failed = |source| Error::Store { folder: folder.unwrap_or(Path::new("")).to_owned(), source };
        let mut redis = None;
        let (store, fsync): (Arc<dyn LogStore>, Fsync) = match &config.store.place {
            Store::Memory => (Arc::new(MemoryStore::new()), Fsync::Never),
            Store::Own => {
                let message =
                    "the user's own folder of the store is found by the program that starts the relay";
                return Err(Error::Config(message.into()));
            }
            Store::Folder(folder) => {
                let store = DiskStore::open(folder, config.store.reserve).map_err(failed)?;
                (Arc::new(store), config.store.fsync)
            }
            Store::Redis(address) => {
                let mut address = address.clone();
                address.password_file.clone_from(&config.store.password_file);
                address.ca.clone_from(&config.store.ca);
                let store = Arc::new(RedisStore::new(address, config.store.replicas, tasks.runtime()));
                tasks.runtime().block_on(store.connect()).map_err(unshared)?;
                redis = Some(Arc::clone(&store));
                (store, Fsync::Never)
            }
        };
        let recovery = store.recover().map_err(failed)?;
        let writer = Writer::start(store, fsync).map_err(Error::Thread)?;
        if redis.is_some() {
            let own = Arc::clone(&writer);
            tasks.start(async move { own.run_as_task().await });
        }
        let own_most = config.share_of(config.limits.streams as u64);
        let own_most = usize::try_from(own_most).unwrap_or(usize::MAX);
        let registry = Arc::new(StreamRegistry::new(
            Arc::clone(&writer),
            recovery.incarnation,
            recovery.next,
            config.limits.streams,
            own_most,
        ));
        let usage = Arc::new(Usage::default());
        for found in recovery.streams {
            recovery::restore(&registry, &usage, recovery.incarnation, found);
        }
        let access = Arc::new(AccessControl::new(Rules::new(&config)?));
        let shared = redis.map(|store| {
            let (registry, usage, access) = (Arc::clone(&registry), Arc::clone(&usage), Arc::clone(&access));
            let opened = Shared::open(store, registry, usage, access, tasks.clone(), config.times.grace);
            tasks.runtime().block_on(opened).map(Arc::new).map_err(unshared)
        });
        let upstreams = config.upstreams.iter().map(Upstream::new).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            access,
            devices: Devices::open(folder)?,
            page_door: LateDoor::default(),
            phone_door: LateDoor::default(),
            registry,
            writer,
            upstreams: Upstreams::new(upstreams),
            tasks,
            metrics: Metrics::default(),
            traces: config.traces.as_ref().map(Traces::new).transpose()?,
            usage,
            hop: Hop::random(),
            began: Instant::now(),
            admission: AdmissionQueue::new(AdmissionLimits::of(&config)),
            bodies: Arc::new(Semaphore::new(config.limits.bodies_bytes.min(Semaphore::MAX_PERMITS))),
            running: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            life: watch::Sender::new(RelayPhase::Running),
            listening: OnceLock::new(),
            shared: shared.transpose()?,
            config,
        }))
    }

    /// Reads the changes of other relays, if there are any; `false` if that failed.
    pub(crate) async fn fresh(&self) -> bool {
        match &self.shared {
            Some(shared) => shared.fresh().await,
            None => true,
        }
    }

    /// Starts the shutdown.
    pub(crate) fn end(&self) {
        self.moves_to(RelayPhase::Draining);
    }

    /// The stage never goes back.
    pub(crate) fn moves_to(&self, next: RelayPhase) {
        self.life.send_if_modified(|life| {
            let is_new = next > *life;
            *life = next.max(*life);
            is_new
        });
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.life.borrow() >= RelayPhase::Draining
    }

    /// Waits until it is so far.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn reaches(&self, awaited: RelayPhase) {
        // This relay holds the sender itself.
        drop(self.life.subscribe().wait_for(|life| *life >= awaited).await);
    }

    /// A permit for another job.
    pub(crate) fn may_begin(&self, claim: Claim) -> Result<Permit, StartError> {
        if self.is_draining() {
            return Err(StartError::Draining);
        }
        self.admission.take(claim).map_err(StartError::QueueFull)
    }

    /// Starts or queues the job of `entry`. If other relays could answer the same request, no model server is
    /// asked before the store has the job: `created` is its creation.
    pub(crate) fn begin(self: &Arc<Self>, entry: Entry, mut task: Task, created: Ticket) {
        let span = task.span.take();
        if task.permit.may_run() {
            task.job.may_run();
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        self.metrics.count_begun();
        let relay = Arc::clone(self);
        let mut changes = task.job.watch();
        self.tasks.start(async move {
            if relay.shared.is_some() && entry.log.written(created).await.is_err() {
                // It is not over yet.
                let _is_over = task.job.cancel("the request could not be recorded");
            }
            let mut running = std::pin::pin!(job::run(task));
            let Finished { state, measured } = loop {
                tokio::select! {
                    finished = &mut running => break finished,
                    Ok(()) = changes.changed() => relay.has_changed(&entry),
                }
            };
            relay.running.fetch_sub(1, Ordering::Relaxed);
            let bytes = entry.log.visible().end.position;
            relay.metrics.answers.ended(series(&entry), &state, bytes, &measured);
            if let (Some(traces), Some(span)) = (&relay.traces, &span) {
                entry.log.with_meta(|meta, _| traces.ended(span, meta, &state, &measured));
            }
            if let Some(tokens) = measured.output_tokens {
                relay.usage.spend(&entry.owner, tokens, now_ms());
            }
            if let Some(shared) = relay.shared.as_ref().filter(|_| entry.log.is_overwritten()) {
                shared.was_taken(&entry).await;
            }
            relay.registry.changed(&entry);
            if let Some(on_answer) = &relay.config.on_answer {
                on_answer.notify(&entry.id);
            }
            tracing::info!(stream = entry.id.as_str(), state = state.as_str(), bytes, "an answer has ended");
        });
    }

    fn has_changed(&self, entry: &Entry) {
        self.registry.changed(entry);
        if let Some(shared) = &self.shared {
            shared.has_changed(entry);
        }
    }

    /// A reader of the stream; `None` if it has too many.
    pub(crate) fn attach(&self, entry: Entry) -> Option<Reading> {
        let most = self.config.limits.readers;
        let more = |readers: usize| (readers < most).then_some(readers + 1);
        entry.log.readers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let job = entry.job.as_ref();
        let attached = job.map(|job| Attached::new(job, self.config.times.grace, &self.tasks));
        Some(Reading { _attached: attached, entry })
    }

    /// The reason why it is not ready for requests; `None` if it is ready.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining() {
            return Some("the relay is draining");
        }
        match self.writer.store().room() {
            Room::Enough => {}
            Room::Full => return Some("the disk of the store is full"),
            Room::Failed if self.shared.is_some() => return Some("Redis does not answer"),
            Room::Failed => return Some("the store has failed"),
        }
        let is_any_healthy = self.upstreams.all().iter().any(|upstream| upstream.is_healthy());
        (!is_any_healthy).then_some("no model server answers")
    }
}

/// The metric labels of an answer.
fn series(entry: &Entry) -> Series {
    let of = |record: &JobRecord| (record.model.clone(), record.upstream.clone());
    let (model, server) = entry.log.with_meta(|meta, _| meta.job.as_ref().map(of)).unwrap_or_default();
    Series { model, server, owner: entry.owner.as_str().to_owned() }
}
