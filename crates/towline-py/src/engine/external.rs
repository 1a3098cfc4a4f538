//! Jobs with work in Python: coroutines on the engine's asyncio loop, and plain functions on threads.
//!
//! The engine's threads never call Python. They put orders into a list, and a file descriptor wakes the loop
//! that executes them.

use std::collections::VecDeque;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use towline::engine::{End, External, Order};
use towline::error::{ErrorKind, Fault};
use towline::event::Progress;
use towline::{Error, Event};

use super::bell::Bell;
use super::job::JobCore;
use crate::forked::ProcessBound;
use crate::leaf::Leaf;

/// Pending orders for Python: for each job at most one to begin, one to pause or unpause, and two to cancel.
#[derive(Debug)]
pub(crate) struct OrderQueue {
    pub(crate) bell: Bell,
    waiting: Leaf<VecDeque<(u64, Order)>>,
}

impl OrderQueue {
    pub(crate) fn new() -> PyResult<Self> {
        Ok(Self { bell: Bell::new()?, waiting: Leaf::default() })
    }

    pub(crate) fn push(&self, work: u64, order: Order) {
        self.waiting.with(|waiting| {
            if let Order::Pause | Order::Resume = order {
                // Only the last of these matters.
                waiting.retain(|(other, old)| *other != work || matches!(old, Order::Begin | Order::Stop));
            }
            waiting.push_back((work, order));
        });
        self.bell.ring();
    }

    pub(crate) fn take(&self) -> Vec<(u64, &'static str)> {
        self.bell.quiet();
        let name = |order| match order {
            Order::Begin => "begin",
            Order::Pause => "pause",
            Order::Resume => "resume",
            Order::Stop => "stop",
        };
        self.waiting.with(std::mem::take).into_iter().map(|(work, order)| (work, name(order))).collect()
    }
}

/// The handle with which Python's code runs a job. Dropping it without `end` ends the job as failed.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Work {
    /// Identifies it in the orders.
    #[pyo3(get)]
    number: u64,
    #[pyo3(get)]
    job: Py<JobCore>,
    external: ProcessBound<External>,
}

impl Work {
    pub(crate) fn new(number: u64, job: Py<JobCore>, external: External) -> Self {
        Self { number, job, external: ProcessBound::new(external) }
    }
}

#[pymethods]
impl Work {
    /// Reports that the work has begun: the job is running.
    fn begun(&self) -> PyResult<()> {
        self.external.get()?.begun();
        Ok(())
    }

    /// Appends text to the job's log; `False` if the log is full or the job has ended.
    fn emit(&self, text: String) -> PyResult<bool> {
        Ok(self.external.get()?.try_emit(Event::Text(text)).is_ok())
    }

    /// Appends progress of the work to the job's log; `False` as for `emit`.
    fn progress(&self, status: String) -> PyResult<bool> {
        let progress = Progress { status, ..Progress::default() };
        Ok(self.external.get()?.try_emit(Event::Progress(Box::new(progress))).is_ok())
    }

    /// Reports that the work has ended: `completed`, `stopped`, or `failed` with a message.
    #[pyo3(signature = (how, message=""))]
    fn end(&self, how: &str, message: &str) -> PyResult<()> {
        let end = match how {
            "completed" => End::Completed,
            "stopped" => End::Stopped,
            "failed" => End::Failed(Error::new(ErrorKind::Task, Fault::Caller, message).with_effect(true)),
            other => return Err(PyValueError::new_err(format!("work cannot end as {other:?}"))),
        };
        self.external.get()?.end(end);
        Ok(())
    }
}
