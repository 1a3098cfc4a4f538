//! The tasks of a relay: the one place that starts them, and knows when all have ended.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Starts tasks and counts them. Clones share the count. Tasks are never aborted but for those that are started to be: each ends
/// when what it works on ends.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    /// Tasks on the runtime this is called in.
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), tracker: TaskTracker::new() }
    }

    /// Where they run.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Starts a task that runs by itself.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn_on(boxed(task), &self.runtime));
    }

    /// Starts a task that ends when what this returns is dropped.
    pub(crate) fn start_held<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.tracker.spawn_on(boxed(task), &self.runtime))
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until none runs. No task starts another after this was called.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn all_ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// For tasks of one type: each type of task is 10 KB of program.
fn boxed<T>(task: impl Future<Output = T> + Send + 'static) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(task)
}
