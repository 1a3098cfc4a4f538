//! Values that belong to the process that created them: threads, and the locks that they hold, do not survive
//! a fork.

use std::mem;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Rejects a value that another process, `started_in`, created.
///
/// # Errors
/// `RuntimeError` in a forked process.
pub(crate) fn check(started_in: u32) -> PyResult<()> {
    if started_in == std::process::id() {
        return Ok(());
    }
    Err(PyRuntimeError::new_err(format!(
        "this was started in process {started_in}, and in a forked process its threads do not exist: send the request \
         again here, make a new Engine, or start processes by multiprocessing's \"spawn\""
    )))
}

/// A value that only its own process may use. Another process neither touches nor drops it: the drop could wait for
/// a lock whose holder no longer exists, or close connections of the parent, with which the process shares its file
/// descriptors.
#[derive(Debug)]
pub(crate) struct ProcessBound<T> {
    process: u32,
    value: Option<T>,
}

impl<T> ProcessBound<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { process: std::process::id(), value: Some(value) }
    }

    /// # Errors
    /// `RuntimeError` in a forked process.
    pub(crate) fn get(&self) -> PyResult<&T> {
        check(self.process)?;
        self.value.as_ref().ok_or_else(|| PyRuntimeError::new_err("it has ended"))
    }

    /// The value, for the caller to drop; `None` in a forked process and at the second call.
    pub(crate) fn take(&mut self) -> Option<T> {
        let value = self.value.take();
        if self.process == std::process::id() {
            return value;
        }
        mem::forget(value);
        None
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
