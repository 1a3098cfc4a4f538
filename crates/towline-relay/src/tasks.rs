//! The tasks of a relay: the one place that starts them, and knows when all have ended.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Starts tasks and counts them. Clones share the count. Tasks are never aborted: each ends when what it works on ends.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runtime: Handle,
    running: AtomicUsize,
    ended: Notify,
}

struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

impl Tasks {
    /// Tasks on the runtime this is called in.
    pub(crate) fn new() -> Self {
        let shared =
            Shared { runtime: Handle::current(), running: AtomicUsize::new(0), ended: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Starts a task that goes on by itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the relay starts tasks, and counts them"
    )]
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(Arc::clone(&self.shared));
        drop(self.shared.runtime.spawn(async move {
            let _counted = counted;
            task.await;
        }));
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Waits until none runs.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn all_ended(&self) {
        loop {
            let ended = self.shared.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}
