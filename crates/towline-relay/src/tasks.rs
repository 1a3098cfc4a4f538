//! The tasks of a relay: only this module spawns tasks, and it knows when all have ended.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Spawns tasks and counts them. Clones share the count. A task is never aborted, except one from
/// [`start_held`](Self::start_held): each ends when its work ends.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    /// Tasks on the current runtime.
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), tracker: TaskTracker::new() }
    }

    /// The runtime of the tasks.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Spawns a detached task.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn_on(boxed(task), &self.runtime));
    }

    /// Spawns a task that is aborted when the returned value is dropped.
    pub(crate) fn start_held<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.tracker.spawn_on(boxed(task), &self.runtime))
    }

    /// The number of running tasks.
    pub(crate) fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task runs. Tasks must not spawn others after this call.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn all_ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Gives all tasks one type, because each type of task adds 10 KB to the program.
fn boxed<T>(task: impl Future<Output = T> + Send + 'static) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(task)
}
