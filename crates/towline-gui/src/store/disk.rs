//! The thread that waits for the disk, so that the window never does.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::history_store::{HistoryList, HistoryStore};

/// How often the thread checks whether another program has written to the history.
const WATCH: Duration = Duration::from_millis(500);
/// Maximum number of orders that wait for the disk; more wait in the window.
const MAX_ORDERS: usize = 256;

/// An order for the disk thread.
type Work = Box<dyn FnOnce(&mut HistoryStore) + Send>;

/// The window's end of the thread.
pub struct Disk {
    thread: Option<(SyncSender<Work>, JoinHandle<()>)>,
    waiting: VecDeque<Work>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Disk {
    /// Starts the thread. `news` is called with what another program has changed in the history.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn start(
        mut store: HistoryStore,
        news: impl Fn(HistoryList) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, todo) = sync_channel::<Work>(MAX_ORDERS);
        let thread = Builder::new().name("towline-disk".into()).spawn(move || {
            loop {
                match todo.recv_timeout(WATCH) {
                    Ok(work) => work(&mut store),
                    Err(RecvTimeoutError::Timeout) => store.changes().into_iter().for_each(&news),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        })?;
        Ok(Self { thread: Some((orders, thread)), waiting: VecDeque::new() })
    }

    /// Sends an order. Never waits.
    pub fn order(&mut self, work: impl FnOnce(&mut HistoryStore) + Send + 'static) {
        self.waiting.push_back(Box::new(work));
        self.flush();
    }

    /// Passes on waiting orders. `true` if some still wait.
    pub fn flush(&mut self) -> bool {
        let Some((orders, _)) = &self.thread else { return false };
        while let Some(work) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(work)) = orders.try_send(work) {
                self.waiting.push_front(work);
                return true;
            }
        }
        false
    }

    /// Waits until everything was done. For the window's end, when it takes nothing any more of what the work brings.
    pub fn finish(&mut self) {
        let Some((orders, thread)) = self.thread.take() else { return };
        // A panic there has been reported on stderr; the window ends all the same.
        self.waiting.drain(..).try_for_each(|work| orders.send(work)).ok();
        drop(orders);
        drop(thread.join());
    }
}
