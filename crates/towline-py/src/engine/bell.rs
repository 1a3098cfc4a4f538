//! Waiting for the engine from Python: on a thread that Ctrl-C can interrupt, or in an event loop by a descriptor.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::descriptor::Descriptor;
use crate::hub::{Board, Hub};
use crate::parker::LOOK_FOR_SIGNALS;

/// Locks leaf data; every critical section is a few plain lines.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time in seconds as Python gives it; an infinite one is no limit.
///
/// # Errors
/// `ValueError` for a negative time or one that is no number.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Option<Duration>> {
    if seconds == f64::INFINITY {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => Ok(Some(time)),
        Err(_) if seconds >= 0.0 => Ok(None),
        Err(_) => Err(PyValueError::new_err(format!("{name} is a time in seconds from 0 on, not {seconds}"))),
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

    /// Whoever calls this looks at what there is afterwards.
    pub(crate) fn quiet(&self) {
        self.descriptor.lower();
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.descriptor.fileno()
    }

    /// Blocks until it is rung, the time is up, a signal comes, or it is time to look whether one came just before.
    fn wait(&self, until: Option<Instant>) -> PyResult<()> {
        let left = until.map_or(LOOK_FOR_SIGNALS, |until| until.saturating_duration_since(Instant::now()));
        let left = Timespec::try_from(left.min(LOOK_FOR_SIGNALS)).ok();
        match poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(PyOSError::new_err(error.to_string())),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
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
    state: Mutex<State>,
}

impl Wait {
    pub(crate) fn on(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { state: Mutex::new(State::Waiting(Box::pin(future))) }
    }

    /// Polls once; whether it has come.
    fn look(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        let future = match &mut *state {
            State::Waiting(future) => future,
            State::Done => return true,
        };
        let ready = match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(()) => std::mem::replace(&mut *state, State::Done),
            Poll::Pending => return false,
        };
        drop(state);
        drop(ready);
        true
    }
}

thread_local! {
    /// What a thread waits at; made at its first wait.
    static BELL: std::cell::OnceCell<Arc<Bell>> = const { std::cell::OnceCell::new() };
}

fn bell_of_thread() -> PyResult<Arc<Bell>> {
    BELL.with(|cell| match cell.get() {
        Some(bell) => Ok(Arc::clone(bell)),
        None => {
            let bell = Arc::new(Bell::new()?);
            Ok(Arc::clone(cell.get_or_init(|| bell)))
        }
    })
}

#[pymethods]
impl Wait {
    /// `True` once it has come; until then `None`, and `token` is posted at `hub` when it is worth another look.
    fn poll(&self, hub: &Hub, token: u64) -> Option<bool> {
        let board = Arc::clone(&hub.board);
        self.look(&Arc::new(Token { board, token }).into()).then_some(true)
    }

    /// Blocks until it has come: `True`; or until the time is up: `False`. Other threads run meanwhile, and Ctrl-C
    /// interrupts it.
    #[pyo3(signature = (timeout=None))]
    fn block(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = timeout.map(|timeout| seconds("timeout", timeout)).transpose()?.flatten();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let bell = bell_of_thread()?;
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            bell.quiet();
            if self.look(&waker) {
                return Ok(true);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(false);
            }
            py.detach(|| bell.wait(until))?;
            py.check_signals()?;
        }
    }
}
