//! Waiting for the engine from Python: on a thread that Ctrl-C can interrupt, or in an event loop by a descriptor.

use std::collections::HashSet;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
    read: UnixStream,
    write: UnixStream,
    rung: AtomicBool,
}

impl Bell {
    /// # Errors
    /// `OSError` when the operating system gives no descriptors.
    pub(crate) fn new() -> PyResult<Self> {
        let (read, write) = UnixStream::pair().map_err(PyOSError::new_err)?;
        for end in [&read, &write] {
            end.set_nonblocking(true).map_err(PyOSError::new_err)?;
        }
        Ok(Self { read, write, rung: AtomicBool::new(false) })
    }

    /// Never blocks: there is one byte at most in between two looks.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            (&self.write).write_all(&[1]).ok();
        }
    }

    /// Whoever calls this looks at what there is afterwards.
    pub(crate) fn quiet(&self) {
        // There is none where the ring is older than its byte; then a look that finds nothing follows this one.
        (&self.read).read_exact(&mut [0]).ok();
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.read.as_raw_fd()
    }

    /// Blocks until it is rung, the time is up or a signal comes.
    fn wait(&self, until: Option<Instant>) -> PyResult<()> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&self.read, PollFlags::IN)], left.as_ref()) {
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

/// The waits of one event loop that have something to look at.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct Watcher {
    shared: Arc<Watched>,
}

#[derive(Debug)]
struct Watched {
    bell: Bell,
    /// At most one entry a wait.
    ready: Mutex<HashSet<u64>>,
}

struct Token {
    watched: Arc<Watched>,
    token: u64,
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        lock(&self.watched.ready).insert(self.token);
        self.watched.bell.ring();
    }
}

#[pymethods]
impl Watcher {
    #[new]
    fn new() -> PyResult<Self> {
        let shared = Watched { bell: Bell::new()?, ready: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The descriptor that is readable while some wait has something to look at.
    fn fileno(&self) -> i32 {
        self.shared.bell.fileno()
    }

    /// The tokens of the waits to poll again.
    fn take(&self) -> Vec<u64> {
        self.shared.bell.quiet();
        std::mem::take(&mut *lock(&self.shared.ready)).into_iter().collect()
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
    /// Whether it has come; if not, `token` is put into `watcher` when it is worth another look.
    fn poll(&self, watcher: &Watcher, token: u64) -> bool {
        let watched = Arc::clone(&watcher.shared);
        self.look(&Arc::new(Token { watched, token }).into())
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
