//! The threads that drive streams: one runtime for the process, started when it is first needed.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime of the process with this id. It is never dropped: its thread never calls Python, so the interpreter may
/// end around it.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process. A process that was forked has none of its parent's threads, and gets its own.
pub(crate) fn handle() -> PyResult<Handle> {
    let own = std::process::id();
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((process, runtime)) = &*runtime
        && *process == own
    {
        return Ok(runtime.handle().clone());
    }
    let started =
        Builder::new_multi_thread().worker_threads(1).thread_name("towline-py").enable_all().build();
    let started = started
        .map_err(|error| PyRuntimeError::new_err(format!("towline cannot start its thread: {error}")))?;
    let started: &'static Runtime = Box::leak(Box::new(started));
    *runtime = Some((own, started));
    Ok(started.handle().clone())
}

/// Runs `work` on the runtime.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> PyResult<()> {
    let handle = handle()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate drives the client's streams, which spawn nothing"
    )]
    drop(handle.spawn(work));
    Ok(())
}

/// Refuses what was started by the parent of this process, where nothing drives it.
pub(crate) fn check_process(started_in: u32) -> PyResult<()> {
    if std::process::id() == started_in {
        return Ok(());
    }
    Err(PyRuntimeError::new_err(
        "this was started before the process was forked, and its threads stayed with the parent; \
         start it again in the child, or use the multiprocessing start method \"spawn\"",
    ))
}
