//! The threads that drive streams: one runtime per process, started on first use.

use std::future::Future;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::leaf::Leaf;

/// The runtime of the process with this id. It is never dropped: its thread never calls Python, so the interpreter can
/// exit while it runs.
static RUNTIME: Leaf<Option<(u32, &'static Runtime)>> = Leaf::new(None);

/// The runtime of this process. A forked process has none of its parent's threads and gets its own runtime.
pub(crate) fn handle() -> PyResult<Handle> {
    let own = std::process::id();
    let handle = RUNTIME.with(|runtime| {
        if let Some((process, runtime)) = runtime
            && *process == own
        {
            return Ok(runtime.handle().clone());
        }
        let started =
            Builder::new_multi_thread().worker_threads(1).thread_name("towline-py").enable_all().build()?;
        let started: &'static Runtime = Box::leak(Box::new(started));
        *runtime = Some((own, started));
        Ok(started.handle().clone())
    });
    handle.map_err(|error: std::io::Error| {
        PyRuntimeError::new_err(format!("towline cannot start its thread: {error}"))
    })
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
