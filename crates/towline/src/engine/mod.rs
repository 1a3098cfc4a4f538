//! The engine: runs many jobs in the background, and lets any thread control each of them.
//!
//! An engine owns a runtime on a thread of its own. A foreground (a prompt, a window, a plain `main`) submits
//! streams and tasks, and holds a [`Job`] for each. No method of [`Engine`] or [`Job`] waits for the network,
//! except those whose name says so.
//!
//! | file | its one job |
//! |---|---|
//! | `start` | configuration, the runtime's threads, their end |
//! | `submit` | the ways to make a job |
//! | `table` | which jobs there are, which of them may run |
//! | `cell` | one job's state, log and outcome: the only place where they change |
//! | `info` | what a job is at one moment |
//! | `waiting` | waiting for a job's news, by a waker or on a thread |
//! | `budget` | how much the logs may hold, and the jobs that wait for room |
//! | `task` | the futures that drive jobs on the runtime |
//! | `external` | jobs whose work is done elsewhere |
//! | `job`, `reader`, `group` | the handles foregrounds hold |
//! | `wake` | telling a foreground that there is something new |

mod budget;
mod cell;
mod external;
mod group;
mod info;
mod job;
mod reader;
mod start;
mod submit;
mod table;
mod task;
mod waiting;
mod wake;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

pub use towline_core::job::{Deadline, JobState};
pub use towline_core::log::Offset;

pub use external::{End, External, Order};
pub use group::Group;
pub use info::JobInfo;
pub use job::{Job, JobId, Task};
pub use reader::{Batch, Reader, StartAt};
pub use start::{Engine, EngineConfig, LogOverflow, OnShutdown, ShutdownReport, WeakEngine};
pub use submit::{JobOptions, StreamSpec, TaskControl};
pub use table::Changes;

/// The reason why an engine refuses a call. Like [`Error`](crate::Error), it is a value whose message
/// includes the cause; it has no `source()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// A blocking call was made inside one of the engine's own tasks, where it would wait for itself. Await
    /// the job instead.
    WouldDeadlock,
    /// The operating system could not provide a thread or a descriptor.
    NoResources(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldDeadlock => f.write_str(
                "a blocking call was made inside one of the engine's tasks; await the job instead",
            ),
            Self::NoResources(what) => write!(f, "the engine cannot start: {what}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Locks leaf data. A poisoned lock is safe to use: every critical section here is a few plain lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state that all jobs and handles of one engine share.
#[derive(Debug)]
struct Shared {
    config: EngineConfig,
    table: table::Table,
    wake: wake::Wake,
    /// `None` once the engine is shut down, so that the runtime's descriptors are closed.
    runtime: RwLock<Option<tokio::runtime::Handle>>,
    budget: budget::Budget,
}
