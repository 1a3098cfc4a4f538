//! Telling an event loop which of its readers have news.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

use crate::descriptor::Descriptor;

/// The tokens of readers that have news, and a descriptor that is readable while there are some.
#[derive(Debug)]
pub(crate) struct Board {
    descriptor: Descriptor,
    ready: Mutex<Vec<u64>>,
}

impl Board {
    pub(crate) fn post(&self, token: u64) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push(token);
        if ready.len() == 1 {
            self.descriptor.raise();
        }
    }
}

/// One event loop's board. A loop watches `fileno()` and calls `drain()` when it is readable: one wake, however many
/// readers have news.
#[pyclass(module = "towline._towline", frozen)]
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) board: Arc<Board>,
}

#[pymethods]
impl Hub {
    #[new]
    fn new() -> PyResult<Self> {
        let board = Board { descriptor: Descriptor::new()?, ready: Mutex::default() };
        Ok(Self { board: Arc::new(board) })
    }

    fn fileno(&self) -> i32 {
        self.board.descriptor.fileno()
    }

    fn drain(&self) -> Vec<u64> {
        let mut ready = self.board.ready.lock().unwrap_or_else(PoisonError::into_inner);
        self.board.descriptor.lower();
        std::mem::take(&mut *ready)
    }
}
