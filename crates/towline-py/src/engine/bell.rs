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
use crate::forked::Here;
use crate::hub::{Board, Hub};
use crate::leaf::Leaf;
use crate::parker::Parker;

pub(super) fn failed(error: impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A time in seconds as Python gives it; an infinite one is no limit.
///
/// # Errors
/// `RequestError` for a negative time or one that is no number.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Option<Duration>> {
    if seconds == f64::INFINITY {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => Ok(Some(time)),
        Err(_) if seconds >= 0.0 => Ok(None),
        Err(_) => Err(failure::bad_input(format!("{name} is a time in seconds from 0 on, not {seconds}"))),
    }
}

/// A descriptor that is readable once it was rung.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: Descriptor,
    rung: AtomicBool,
}

impl Bell {
    /// # Errors
    /// `OSError` when the operating system gives no descriptors.
    pub(crate) fn new() -> PyResult<Self> {
        Ok(Self { descriptor: Descriptor::new()?, rung: AtomicBool::new(false) })
    }

    /// One system call between two looks.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.descriptor.raise();
        }
    }

    /// The caller looks at what there is afterwards.
    pub(crate) fn quiet(&self) {
        self.descriptor.lower();
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.descriptor.fileno()
    }
}

/// Posts a wait's token on the board of its event loop.
struct Token {
    board: Arc<Board>,
    token: u64,
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.board.post(self.token);
    }
}

type Waited = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    Waiting(Waited),
    Done,
}

/// Something to wait for, once, in any way.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Wait {
    state: Here<Leaf<State>>,
}

impl Wait {
    pub(crate) fn on(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { state: Here::new(Leaf::new(State::Waiting(Box::pin(future)))) }
    }

    /// Polls once; whether it has come.
    fn look(&self, waker: &Waker) -> PyResult<bool> {
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
    /// `True` once it has come; until then `None`, and `token` is posted at `hub` when it is worth another look.
    fn poll(&self, hub: &Hub, token: u64) -> PyResult<Option<bool>> {
        let board = Arc::clone(&hub.board);
        Ok(self.look(&Arc::new(Token { board, token }).into())?.then_some(true))
    }

    /// Blocks until it has come: `True`; or until the time is up: `False`. Other threads run meanwhile, and Ctrl-C
    /// interrupts it.
    #[pyo3(signature = (timeout=None))]
    fn block(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = timeout.map(|timeout| seconds("timeout", timeout)).transpose()?.flatten();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let parker = Parker::own(py)?;
        let waker = Waker::from(Arc::clone(&parker));
        loop {
            if self.look(&waker)? {
                return Ok(true);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(false);
            }
            parker.wait(py, until)?;
        }
    }
}
