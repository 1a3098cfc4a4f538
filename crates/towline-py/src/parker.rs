//! A place where a Python thread waits for news, without the interpreter's lock.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::descriptor::Descriptor;

/// The polling interval for signals: one that arrives just before the main thread begins to wait cannot
/// interrupt the wait.
const SIGNAL_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The place of one thread. The main thread, where Python handles signals, waits on a file descriptor, since
/// a signal interrupts that at once; the others wait on a condition variable and need no descriptor.
#[derive(Debug)]
pub(crate) struct Parker {
    /// A fork shares file descriptors with its parent, and would take its wake-ups.
    process: u32,
    descriptor: Option<Descriptor>,
    // Locked only without the interpreter's lock.
    rung: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static OWN: RefCell<Option<Arc<Parker>>> = const { RefCell::new(None) };
}

impl Parker {
    /// This thread's parker in this process.
    pub(crate) fn of_thread(py: Python<'_>) -> PyResult<Arc<Self>> {
        let process = std::process::id();
        let own = OWN.with_borrow(Clone::clone).filter(|parker| parker.process == process);
        if let Some(parker) = own {
            return Ok(parker);
        }
        let threading = py.import("threading")?;
        let is_main = threading.call_method0("current_thread")?.is(&threading.call_method0("main_thread")?);
        let descriptor = if is_main { Some(Descriptor::new()?) } else { None };
        let parker = Arc::new(Self { process, descriptor, rung: Mutex::new(false), changed: Condvar::new() });
        OWN.set(Some(Arc::clone(&parker)));
        Ok(parker)
    }

    /// A parker for a single wait that signals do not interrupt.
    pub(crate) fn for_one_wait() -> Arc<Self> {
        let (rung, changed) = (Mutex::new(false), Condvar::new());
        Arc::new(Self { process: std::process::id(), descriptor: None, rung, changed })
    }

    /// Ends the wait, or the next one if there is none.
    pub(crate) fn ring(&self) {
        match &self.descriptor {
            Some(descriptor) => descriptor.raise(),
            None => {
                *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
                self.changed.notify_all();
            }
        }
    }

    /// Waits for a ring or until the timeout. It also returns after a signal, whose handler may have waited
    /// here itself and taken the ring, and for an earlier ring without a waiter, so the caller must
    /// check again.
    ///
    /// # Errors
    /// The exception of a signal handler, such as `KeyboardInterrupt`.
    pub(crate) fn wait(&self, py: Python<'_>, until: Option<Instant>) -> PyResult<()> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let Some(descriptor) = &self.descriptor else {
            py.detach(|| self.wait_at_condition(left));
            return Ok(());
        };
        let mut watched = [PollFd::new(descriptor, PollFlags::IN)];
        let time = Timespec::try_from(left.unwrap_or(SIGNAL_CHECK_INTERVAL).min(SIGNAL_CHECK_INTERVAL)).ok();
        let ready = py.detach(|| poll(&mut watched, time.as_ref()));
        if ready.is_ok_and(|count| count > 0) {
            descriptor.lower();
        }
        py.check_signals()
    }

    /// Waits for a ring, or for this long.
    pub(crate) fn wait_at_condition(&self, left: Option<Duration>) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung = match left {
            None => self.changed.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                let waited = self.changed.wait_timeout_while(rung, left, |rung| !*rung);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        *rung = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}
