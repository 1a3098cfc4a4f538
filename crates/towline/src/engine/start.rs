//! The configuration of the engine, and the start and end of its threads.

use std::convert::Infallible;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use towline_core::job::JobState;

use super::budget::Budget;
use super::table::{Changes, Table};
use super::task::{is_inside, refuse_inside};
use super::waiting::News;
use super::wake::Wake;
use super::{EngineError, Job, JobId, JobInfo, Shared, lock};

/// The configuration of an engine. Build it with `..EngineConfig::default()`.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Number of threads that drive jobs. Default: 1, which costs least: a job and its reader share no state
    /// across threads. A task that blocks its thread delays the other jobs of that thread, so such work
    /// belongs on a thread of its own (`tokio::task::spawn_blocking` works inside a task).
    pub threads: usize,
    /// Maximum number of jobs that run at once; the others are queued by priority and age. Default: 16,384.
    pub max_running: usize,
    /// Maximum number of streams that run at once per server. Default: 16,384.
    pub max_per_host: usize,
    /// Number of ended jobs that the table keeps; it forgets the oldest first. Handles keep their own job.
    /// Default: 1,000.
    pub max_ended: usize,
    /// Maximum size of the log of one job, in bytes. Default: 16 MiB.
    pub job_log_bytes: usize,
    /// Maximum size of the logs of all jobs, in bytes. Default: 256 MiB.
    pub log_bytes: usize,
    /// What to do with a job whose log is full.
    pub log_overflow: LogOverflow,
    /// How long dropping the engine waits for cancelled tasks to clean up. Default: 1 s.
    pub drop_grace: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            max_running: 16_384,
            max_per_host: 16_384,
            max_ended: 1_000,
            job_log_bytes: 16 << 20,
            log_bytes: 256 << 20,
            log_overflow: LogOverflow::DropRead,
            drop_grace: Duration::from_secs(1),
        }
    }
}

/// What to do when a log is full. Text that no reader has read or skipped is never dropped; a reader skips
/// the text before the position at which it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogOverflow {
    /// Drop the oldest text that a reader has read, and tell later readers how much they missed. If there is
    /// no such text, pause the job until a reader reads.
    #[default]
    DropRead,
    /// Pause the job until a reader reads; the read text then makes room.
    Pause,
}

/// What a shutdown does with the existing jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnShutdown {
    /// Jobs may finish within the grace time.
    Finish,
    /// Jobs are cancelled, and may clean up within the grace time.
    Cancel,
}

/// The result of a shutdown.
#[derive(Debug, Clone, Default)]
pub struct ShutdownReport {
    /// Jobs that finished within the grace time.
    pub finished: Vec<JobInfo>,
    /// Jobs that were cancelled, or aborted after the grace time.
    pub cut: Vec<JobInfo>,
    /// Jobs that could not be stopped, because their code (or the code of other jobs, on all of the engine's
    /// threads) did not return. The threads run until it does, and the jobs stay *cancelling* until then.
    pub stuck: Vec<JobInfo>,
}

/// How long the last phase of a shutdown waits for tasks that were told to stop at once.
const ABORT_TIME: Duration = Duration::from_millis(500);

/// A background runtime for jobs. Clones are handles of the same engine and can be used on any thread.
///
/// When the last handle is dropped, every job is cancelled and the engine's threads are joined.
///
/// ```
/// use std::time::Duration;
/// use towline::engine::OnShutdown;
/// use towline::{Engine, EngineConfig};
///
/// let engine = Engine::start(EngineConfig::default())?;
/// let task = engine.spawn("sum", async { (1..=100).sum::<u32>() });
/// assert_eq!(task.wait()?.ok(), Some(5050));
/// assert_eq!(engine.jobs().len(), 1); // ended jobs stay, up to a limit
///
/// let report = engine.shutdown(OnShutdown::Cancel, Duration::from_secs(1))?;
/// assert!(report.cut.is_empty());
/// # Ok::<(), towline::engine::EngineError>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
    /// The report of the shutdown, once there is one.
    report: OnceLock<ShutdownReport>,
}

struct Threads {
    /// Ends the runtime; the value is how long tasks may take to be dropped.
    stop: oneshot::Sender<Duration>,
    runtime: JoinHandle<()>,
    /// Disconnected once the runtime's thread is about to end.
    ended: mpsc::Receiver<Infallible>,
    hook: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// [`EngineError::NoResources`] when the operating system gives no thread.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let no_thread = |error: std::io::Error| EngineError::NoResources(error.to_string());
        let (ready, handle) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let (running, ended) = mpsc::sync_channel(0);
        // With one worker too: what a poll wakes runs next there, so a reader runs right after its job.
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(config.threads.max(1));
        // The runtime lives on its own thread, so that it can be dropped from anywhere, including async code.
        let runtime = std::thread::Builder::new()
            .name("towline-engine".into())
            .spawn(move || {
                let _running = running;
                let runtime = match runtime.thread_name("towline-worker").enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                if ready.send(Ok(runtime.handle().clone())).is_ok() {
                    let time = runtime.block_on(stopped).unwrap_or_default();
                    runtime.shutdown_timeout(time);
                }
            })
            .map_err(no_thread)?;
        let handle = match handle.recv() {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return Err(no_thread(error)),
            Err(_) => return Err(EngineError::NoResources("the runtime's thread ended at once".into())),
        };
        let shared = Arc::new(Shared {
            table: Table::new(&config),
            budget: Budget::new(&config),
            config,
            wake: Wake::default(),
            runtime: RwLock::new(Some(handle)),
        });
        let threads = Mutex::new(Some(Threads { stop, runtime, ended, hook: None }));
        Ok(Self { running: Arc::new(Running { shared, threads, report: OnceLock::new() }) })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.running.shared
    }

    /// All jobs that the engine knows, oldest first: running and queued jobs, and those that ended last.
    pub fn jobs(&self) -> Vec<Job> {
        self.shared().table.all().into_iter().map(Job::of).collect()
    }

    /// The job with this number, unless it was forgotten.
    pub fn job(&self, id: JobId) -> Option<Job> {
        self.shared().table.find(id.0)
    }

    /// Forgets a job that has ended; `false` for one that has not.
    pub fn forget(&self, id: JobId) -> bool {
        self.shared().table.forget(id.0)
    }

    /// The jobs that changed since the last call: a new job, state, text, order or name. The first call
    /// returns all jobs.
    ///
    /// There is one such list, for one foreground. A call also rearms the wake-up, so a foreground calls it
    /// once for each wake-up, and then draws.
    pub fn changes(&self) -> Changes {
        let shared = self.shared();
        shared.table.watch();
        shared.wake.quiet();
        shared.table.take_changes()
    }

    /// Calls `hook` when something changes: once until the foreground calls [`changes`](Self::changes), and a
    /// first time now. The hook runs on its own thread, so a slow or panicking hook delays no job. A hook
    /// that holds the engine keeps it alive: give it a [`WeakEngine`]. Only the first hook is used: returns
    /// `false` for another one, and after the shutdown.
    ///
    /// # Errors
    /// [`EngineError::NoResources`] when the operating system gives no thread.
    pub fn on_change(&self, hook: impl Fn() + Send + 'static) -> Result<bool, EngineError> {
        let shared = self.shared();
        let mut threads = lock(&self.running.threads);
        let Some(threads) = threads.as_mut().filter(|threads| threads.hook.is_none()) else {
            return Ok(false);
        };
        shared.table.watch();
        threads.hook = Some(shared.wake.start_hook(Box::new(hook))?);
        Ok(true)
    }

    /// A descriptor for `poll`, `select` or any event loop. It becomes readable when something changes, and
    /// stays readable until [`changes`](Self::changes) is called. It is readable at first. Do not read from
    /// it. It is an eventfd on Linux and a pipe elsewhere.
    ///
    /// # Errors
    /// [`EngineError::NoResources`] when the operating system gives no descriptor.
    pub fn fd(&self) -> Result<BorrowedFd<'_>, EngineError> {
        self.shared().table.watch();
        self.shared().wake.descriptor()
    }

    /// Wakes the foreground through the descriptor and the hook, as if something had changed. For a
    /// foreground that has not drawn all changes, or that another part of the program wants to wake.
    pub fn wake_foreground(&self) {
        self.shared().wake.signal();
    }

    /// Ends the engine: refuses new jobs, lets existing jobs finish or cancels them, waits for up to `grace`,
    /// aborts the remaining jobs, and joins every thread. Blocks at most a little longer than `grace`.
    ///
    /// Other handles of the engine stay valid, but refuse jobs. A second call waits for the first and returns
    /// its report; to speed up the first, cancel the jobs.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks.
    pub fn shutdown(&self, on_shutdown: OnShutdown, grace: Duration) -> Result<ShutdownReport, EngineError> {
        refuse_inside()?;
        Ok(self.running.shutdown(on_shutdown, grace))
    }

    /// [`shutdown`](Self::shutdown) for async code outside the engine: another thread does the waiting.
    ///
    /// # Cancel safety
    /// Once polled, the shutdown continues even if the future is dropped.
    ///
    /// # Errors
    /// [`EngineError::WouldDeadlock`] inside one of the engine's own tasks, [`EngineError::NoResources`] when the
    /// operating system gives no thread.
    pub async fn shutdown_async(
        &self,
        on_shutdown: OnShutdown,
        grace: Duration,
    ) -> Result<ShutdownReport, EngineError> {
        refuse_inside()?;
        let running = Arc::clone(&self.running);
        let (done, report) = oneshot::channel();
        std::thread::Builder::new()
            .name("towline-shutdown".into())
            .spawn(move || drop(done.send(running.shutdown(on_shutdown, grace))))
            .map_err(|error| EngineError::NoResources(error.to_string()))?;
        report.await.map_err(|_| EngineError::NoResources("the shutdown's thread ended early".into()))
    }

    /// A handle that does not keep the engine alive.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.running))
    }
}

/// A handle that does not keep its engine alive.
#[derive(Clone)]
pub struct WeakEngine(Weak<Running>);

impl WeakEngine {
    /// The engine, unless its last handle was dropped.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(|running| Engine { running })
    }
}

impl Running {
    fn shutdown(&self, on_shutdown: OnShutdown, grace: Duration) -> ShutdownReport {
        self.report.get_or_init(|| self.end(on_shutdown, grace)).clone()
    }

    fn end(&self, on_shutdown: OnShutdown, grace: Duration) -> ShutdownReport {
        let Some(threads) = lock(&self.threads).take() else { return ShutdownReport::default() };
        let table = &self.shared.table;
        table.close();
        let jobs: Vec<Job> = table.live().into_iter().map(Job::of).collect();
        if on_shutdown == OnShutdown::Cancel {
            table.halt();
            for job in &jobs {
                job.cancel("the engine is shutting down");
            }
        }
        let ended_within = |time: Duration| {
            let until = Instant::now().checked_add(time);
            jobs.iter().all(|job| job.cell.block(News::End, until, |job| job.outcome.clone()).is_some())
        };
        let in_time = ended_within(grace);
        let late: Vec<JobId> = jobs.iter().filter(|job| job.outcome().is_none()).map(Job::id).collect();
        if !in_time {
            table.halt();
            for job in &jobs {
                job.cancel_now("the engine was shut down");
            }
            ended_within(if is_inside() { Duration::ZERO } else { ABORT_TIME });
        }
        let stuck: Vec<JobId> = jobs.iter().filter(|job| job.outcome().is_none()).map(Job::id).collect();
        // A thread that has ended needs no message.
        threads.stop.send(ABORT_TIME / 2).ok();
        *self.shared.runtime.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.wake.close();
        // Inside one of the engine's own tasks, joining would wait for itself: the threads end on their own.
        if !is_inside() {
            // A thread whose code does not return is left to itself.
            if threads.ended.recv_timeout(ABORT_TIME) == Err(RecvTimeoutError::Disconnected) {
                drop(threads.runtime.join());
            }
            if let Some(hook) = threads.hook
                && hook.thread().id() != std::thread::current().id()
                && self.shared.wake.wait_closed(ABORT_TIME)
            {
                drop(hook.join());
            }
        }
        let mut report = ShutdownReport::default();
        for job in &jobs {
            let info = job.info();
            let cancelled = on_shutdown == OnShutdown::Cancel && info.state == JobState::Cancelled;
            if stuck.contains(&info.id) {
                report.stuck.push(info);
            } else if late.contains(&info.id) || cancelled {
                report.cut.push(info);
            } else {
                report.finished.push(info);
            }
        }
        report
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If a job held the last handle, it would wait for itself.
        let grace = if is_inside() { Duration::ZERO } else { self.shared.config.drop_grace };
        self.shutdown(OnShutdown::Cancel, grace);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.shared().config).finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakEngine")
    }
}
