//! An engine and the ways to make a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use towline::client::Resume;
use towline::engine::{EngineConfig, JobId, JobOptions, OnShutdown, StreamSpec};
use towline::{Client, Engine};

use super::bell::{Wait, failed, seconds};
use super::external::{OrderQueue, Work};
use super::foreground::{Foreground, Foregrounds};
use super::job::JobCore;
use crate::forked::ProcessBound;
use crate::native::{self, NativeClient};
use crate::relay;

struct Running {
    engine: Engine,
    client: Client,
    resume: Resume,
    orders: Arc<OrderQueue>,
    foregrounds: Arc<Foregrounds>,
}

/// An engine of the Rust library, with a client for one server.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct EngineCore {
    running: ProcessBound<Running>,
    next_work: AtomicU64,
}

#[pymethods]
impl EngineCore {
    #[new]
    #[pyo3(signature = (client, *, threads, max_running, max_ended, job_log_bytes, log_bytes))]
    fn new(
        client: &NativeClient,
        threads: usize,
        max_running: usize,
        max_ended: usize,
        job_log_bytes: usize,
        log_bytes: usize,
    ) -> PyResult<Self> {
        let (client, resume) = (client.client()?.clone(), client.resume());
        let config = EngineConfig {
            threads,
            max_running,
            max_ended,
            job_log_bytes,
            log_bytes,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).map_err(failed)?;
        let (orders, foregrounds) = (Arc::new(OrderQueue::new()?), Arc::default());
        let running = Running { engine, client, resume, orders, foregrounds };
        Ok(Self { running: ProcessBound::new(running), next_work: AtomicU64::new(1) })
    }

    /// Starts the stream that `body` requests from `model`: `chat`, `generate`, `pull`, `push` or `create`.
    #[pyo3(signature = (operation, model, body, name, group, priority, deadline))]
    #[expect(clippy::too_many_arguments, reason = "from one place")]
    fn stream(
        &self,
        operation: &str,
        model: &str,
        body: Vec<u8>,
        name: Option<String>,
        group: Option<String>,
        priority: i32,
        deadline: Option<f64>,
    ) -> PyResult<JobCore> {
        let Running { engine, client, resume, .. } = self.running.get()?;
        let resume = *resume;
        let client = relay::labelled(client, &name, &group)?;
        let prepared = StreamSpec::operate(&client, native::operation(operation)?, model, Bytes::from(body));
        let prepared = prepared.map(move |stream| stream.with_resume(resume));
        Ok(engine.submit(prepared, options(name, group, priority, deadline)?).into())
    }

    /// Reads a stream that a relay runs or has run, as a job.
    #[pyo3(signature = (id, start, name, group, priority, deadline))]
    fn attach(
        &self,
        id: &str,
        start: &str,
        name: Option<String>,
        group: Option<String>,
        priority: i32,
        deadline: Option<f64>,
    ) -> PyResult<JobCore> {
        let Running { engine, client, .. } = self.running.get()?;
        let prepared = StreamSpec::attach(client, id, relay::start(start)?);
        Ok(engine.submit(prepared, options(name, group, priority, deadline)?).into())
    }

    /// Starts a job whose work is done in Python.
    #[pyo3(signature = (name, group, priority, deadline))]
    fn work(
        &self,
        py: Python<'_>,
        name: String,
        group: Option<String>,
        priority: i32,
        deadline: Option<f64>,
    ) -> PyResult<Work> {
        let Running { engine, orders, .. } = self.running.get()?;
        let number = self.next_work.fetch_add(1, Ordering::Relaxed);
        let orders = Arc::clone(orders);
        let options = options(Some(name), group, priority, deadline)?;
        let (job, external) = engine.spawn_external(options, move |order| orders.push(number, order));
        Ok(Work::new(number, Py::new(py, JobCore::from(job))?, external))
    }

    /// The descriptor, which is readable while orders are pending.
    fn orders_fileno(&self) -> PyResult<i32> {
        Ok(self.running.get()?.orders.bell.fileno())
    }

    /// The orders for Python's work: its number, and `begin`, `pause`, `resume` or `stop`.
    fn orders(&self) -> PyResult<Vec<(u64, &'static str)>> {
        Ok(self.running.get()?.orders.take())
    }

    /// Every job of the engine, oldest first.
    fn jobs(&self) -> PyResult<Vec<JobCore>> {
        Ok(self.running.get()?.engine.jobs().into_iter().map(JobCore::from).collect())
    }

    fn job(&self, id: u64) -> PyResult<Option<JobCore>> {
        Ok(self.running.get()?.engine.job(JobId(id)).map(JobCore::from))
    }

    /// A new foreground, with a descriptor that is readable if there is news for it.
    fn foreground(&self) -> PyResult<Foreground> {
        let Running { engine, foregrounds, .. } = self.running.get()?;
        foregrounds.open(engine)
    }

    /// Rejects every process except the one that created the engine.
    fn check(&self) -> PyResult<()> {
        self.running.get().map(drop)
    }

    /// Shuts the engine down on a thread, which starts at the first poll of the returned wait. The wait ends with the engine.
    fn ending(&self, cancel: bool, grace: f64) -> PyResult<Wait> {
        let engine = self.running.get()?.engine.clone();
        let how = if cancel { OnShutdown::Cancel } else { OnShutdown::Finish };
        let grace = seconds("grace", grace)?.unwrap_or(Duration::MAX);
        Ok(Wait::on(async move { drop(engine.shutdown_async(how, grace).await) }))
    }

    /// The numbers of the jobs that the shutdown could not end. Waits for the shutdown.
    fn stuck(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        let engine = &self.running.get()?.engine;
        let report = py.detach(|| engine.shutdown(OnShutdown::Cancel, Duration::ZERO)).map_err(failed)?;
        Ok(report.stuck.iter().map(|job| job.id.0).collect())
    }
}

fn options(
    name: Option<String>,
    group: Option<String>,
    priority: i32,
    deadline: Option<f64>,
) -> PyResult<JobOptions> {
    let deadline = deadline.map(|time| seconds("deadline", time)).transpose()?.flatten();
    Ok(JobOptions { name, group, priority, deadline })
}

impl Drop for EngineCore {
    /// The shutdown waits for tasks that clean up, and those of Python need the interpreter for that.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let mut running = Some(running);
            Python::try_attach(|py| py.detach(|| drop(running.take())));
        }
    }
}
