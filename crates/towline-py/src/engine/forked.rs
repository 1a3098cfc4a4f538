//! What belongs to the process that made it: threads and held locks do not survive a fork.

use std::mem;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A value that only its own process may use. Another process neither touches nor drops it: either could hang.
#[derive(Debug)]
pub(crate) struct Here<T> {
    process: u32,
    value: Option<T>,
}

impl<T> Here<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { process: std::process::id(), value: Some(value) }
    }

    /// # Errors
    /// `RuntimeError` in a forked process.
    pub(crate) fn get(&self) -> PyResult<&T> {
        match &self.value {
            Some(value) if self.process == std::process::id() => Ok(value),
            Some(_) | None => Err(PyRuntimeError::new_err(format!(
                "this engine was started in process {}, and its threads do not live in a fork of it: make a new Engine \
                 here, or start processes with multiprocessing's \"spawn\"",
                self.process
            ))),
        }
    }

    /// The value, to be dropped by the caller; `None` in a forked process, and the second time.
    pub(crate) fn take(&mut self) -> Option<T> {
        let value = self.value.take();
        if self.process == std::process::id() {
            return value;
        }
        mem::forget(value);
        None
    }
}

impl<T> Drop for Here<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
