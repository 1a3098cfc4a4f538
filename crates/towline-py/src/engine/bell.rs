//! Waiting for the engine from Python: on a thread that Ctrl-C can interrupt, or in an event loop by a descriptor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::descriptor::Descriptor;
use crate::failure;
use crate::forked::ProcessBound;
use crate::hub::{Board, Hub};
use crate::leaf::Leaf;
use crate::parker::Parker;

pub(super) fn failed(error: impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A time in seconds from Python; infinity means no limit.
///
/// # Errors
/// `RequestError` if the time is negative or not a number.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Option<Duration>> {
    if seconds == f64::INFINITY {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => Ok(Some(time)),
        Err(_) if seconds >= 0.0 => Ok(None),
        Err(_) => {
            Err(failure::bad_input(format!("{name} must be a number of seconds, 0 or more, not {seconds}")))
        }
    }
}

/// A descriptor that is readable after a ring.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: Descriptor,
    rung: AtomicBool,
}

impl Bell {
    /// # Errors
    /// `OSError` if the operating system has no free descriptor.
    pub(crate) fn new() -> PyResult<Self> {
        Ok(Self { descriptor: Descriptor::new()?, rung: AtomicBool::new(false) })
    }

    /// Makes the descriptor readable. Several rings before `quiet` cost one system call.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.descriptor.raise();
        }
    }

    /// Makes the descriptor unreadable. The caller must check for news afterwards.
    pub(crate) fn quiet(&self) {
        self.descriptor.lower();
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.descriptor.fileno()
    }
}

/// Posts the token of a wait on the board of its event loop.
struct Token {
    board: Arc<Board>,
    token: u64,
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.board.post(self.token);
    }
}

type BoxedWait = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    Waiting(BoxedWait),
    Done,
}

/// A single wait, which can block or be polled.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Wait {
    state: ProcessBound<Leaf<State>>,
}

impl Wait {
    pub(crate) fn on(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { state: ProcessBound::new(Leaf::new(State::Waiting(Box::pin(future)))) }
    }

    /// Polls once; returns whether the wait is over.
    fn poll_once(&self, waker: &Waker) -> PyResult<bool> {
        let (has_come, over) = self.state.get()?.with(|state| {
            let future = match state {
                State::Waiting(future) => future,
                State::Done => return (true, None),
            };
            match future.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(()) => (true, Some(std::mem::replace(state, State::Done))),
                Poll::Pending => (false, None),
            }
        });
        drop(over);
        Ok(has_come)
    }
}

#[pymethods]
impl Wait {
    /// `True` if the wait is over; else `None`, and `token` is posted at `hub` when a new poll can succeed.
    fn poll(&self, hub: &Hub, token: u64) -> PyResult<Option<bool>> {
        let board = Arc::clone(&hub.board);
        Ok(self.poll_once(&Arc::new(Token { board, token }).into())?.then_some(true))
    }

    /// Blocks until the wait is over (`True`) or times out (`False`). Other threads run meanwhile, and Ctrl-C
    /// interrupts the call.
    #[pyo3(signature = (timeout=None))]
    fn block(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = timeout.map(|timeout| seconds("timeout", timeout)).transpose()?.flatten();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let parker = Parker::of_thread(py)?;
        let waker = Waker::from(Arc::clone(&parker));
        loop {
            if self.poll_once(&waker)? {
                return Ok(true);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(false);
            }
            parker.wait(py, until)?;
        }
    }
}
