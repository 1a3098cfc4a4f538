//! Where a Python thread waits for news, without the interpreter's lock.

use std::cell::OnceCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::descriptor::Descriptor;

/// A signal that arrives just before the main thread begins to wait cannot interrupt the wait. This long later it is
/// seen all the same.
pub(crate) const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(100);

/// The place of one thread. The main thread, where Python handles signals, waits at a descriptor, since a signal
/// interrupts that at once; the others wait at a condition and cost no descriptor.
#[derive(Debug)]
pub(crate) struct Parker {
    descriptor: Option<Descriptor>,
    rung: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static OWN: OnceCell<Arc<Parker>> = const { OnceCell::new() };
}

impl Parker {
    /// This thread's.
    pub(crate) fn own(py: Python<'_>) -> PyResult<Arc<Self>> {
        if let Some(parker) = OWN.with(|own| own.get().cloned()) {
            return Ok(parker);
        }
        let threading = py.import("threading")?;
        let is_main = threading.call_method0("current_thread")?.is(&threading.call_method0("main_thread")?);
        let descriptor = if is_main { Some(Descriptor::new()?) } else { None };
        let parker = Arc::new(Self { descriptor, rung: Mutex::new(false), changed: Condvar::new() });
        Ok(OWN.with(|own| own.get_or_init(|| parker).clone()))
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

    /// Waits for a ring. An earlier one that nobody waited for counts too, so look again afterwards.
    ///
    /// # Errors
    /// What a signal's handler raises: `KeyboardInterrupt`, for one.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let Some(descriptor) = &self.descriptor else {
            py.detach(|| self.wait_at_condition());
            return Ok(());
        };
        loop {
            let mut watched = [PollFd::new(descriptor, PollFlags::IN)];
            let time = Timespec::try_from(LOOK_FOR_SIGNALS).ok();
            let ready = py.detach(|| poll(&mut watched, time.as_ref()));
            py.check_signals()?;
            if ready.is_ok_and(|count| count > 0) {
                descriptor.lower();
                return Ok(());
            }
        }
    }

    fn wait_at_condition(&self) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung = self.changed.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}
