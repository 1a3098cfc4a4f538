//! Tells an event loop which of its readers have news.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::descriptor::Descriptor;
use crate::leaf::Leaf;

/// The tokens of readers with news, and a file descriptor that is readable while there are any.
#[derive(Debug)]
pub(crate) struct Board {
    descriptor: Descriptor,
    ready: Leaf<Vec<u64>>,
}

impl Board {
    pub(crate) fn post(&self, token: u64) {
        self.ready.with(|ready| {
            ready.push(token);
            if ready.len() == 1 {
                self.descriptor.raise();
            }
        });
    }
}

/// The board of one event loop. The loop watches `fileno()` and calls `drain()` when it is readable: one
/// wake-up, however many readers have news.
#[pyclass(module = "towline._towline", frozen)]
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) board: Arc<Board>,
}

#[pymethods]
impl Hub {
    #[new]
    fn new() -> PyResult<Self> {
        let board = Board { descriptor: Descriptor::new()?, ready: Leaf::default() };
        Ok(Self { board: Arc::new(board) })
    }

    fn fileno(&self) -> i32 {
        self.board.descriptor.fileno()
    }

    fn drain(&self) -> Vec<u64> {
        self.board.ready.with(|ready| {
            self.board.descriptor.lower();
            std::mem::take(ready)
        })
    }
}
