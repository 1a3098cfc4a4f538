//! An engine and the ways to make a job.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use towline::engine::{EngineConfig, JobId, JobOptions, OnShutdown, Prepared};
use towline::{Client, Engine, RetryPolicy};

use super::bell::{Wait, lock, seconds};
use super::drain::{Seen, Update};
use super::external::{Orders, Work};
use super::forked::Here;
use super::job::JobCore;
use crate::native::NativeClient;

/// How many readers of forgotten jobs are kept before they are looked for.
const FORGET_EVERY: u64 = 1_000;

struct Running {
    engine: Engine,
    client: Client,
    orders: Arc<Orders>,
    seen: Mutex<Seen>,
}

/// An engine of the Rust library, with a client of one server.
#[pyclass(frozen, module = "towline._towline")]
pub(crate) struct EngineCore {
    running: Here<Running>,
    next_work: AtomicU64,
    looks: AtomicU64,
}

fn failed(error: impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

fn request<T: DeserializeOwned>(json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| PyValueError::new_err(format!("bad request: {error}")))
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
        // The drop-in client sends everything once, as its model does; a job tries again where nothing can happen twice.
        let client = client.client().with_request_config(|config| config.retry = RetryPolicy::default());
        let config = EngineConfig {
            threads,
            max_running,
            max_ended,
            job_log_bytes,
            log_bytes,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).map_err(failed)?;
        let running = Running { engine, client, orders: Arc::new(Orders::new()?), seen: Mutex::default() };
        Ok(Self { running: Here::new(running), next_work: AtomicU64::new(1), looks: AtomicU64::new(0) })
    }

    /// Starts the stream that `json` asks for: `chat`, `generate`, `pull`, `push` or `create`.
    #[pyo3(signature = (kind, json, name, group, priority, deadline))]
    fn stream(
        &self,
        kind: &str,
        json: &str,
        name: Option<String>,
        group: Option<String>,
        priority: i32,
        deadline: Option<f64>,
    ) -> PyResult<JobCore> {
        let Running { engine, client, .. } = self.running.get()?;
        let prepared = match kind {
            "chat" => Prepared::chat(client, request(json)?),
            "generate" => Prepared::generate(client, request(json)?),
            "pull" => Prepared::pull(client, request(json)?),
            "push" => Prepared::push(client, request(json)?),
            "create" => Prepared::create(client, request(json)?),
            other => return Err(PyValueError::new_err(format!("there is no stream {other:?}"))),
        };
        Ok(engine.submit(prepared, options(name, group, priority, deadline)?).into())
    }

    /// Makes a job of work that Python does.
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

    /// The descriptor that is readable while there are orders to take.
    fn orders_fileno(&self) -> PyResult<i32> {
        Ok(self.running.get()?.orders.bell.fileno())
    }

    /// The orders for Python's work: its number, and `begin`, `pause`, `resume` or `stop`.
    fn orders(&self) -> PyResult<Vec<(u64, &'static str)>> {
        Ok(self.running.get()?.orders.take())
    }

    /// Every job the engine knows, oldest first.
    fn jobs(&self) -> PyResult<Vec<JobCore>> {
        Ok(self.running.get()?.engine.jobs().into_iter().map(JobCore::from).collect())
    }

    fn job(&self, id: u64) -> PyResult<Option<JobCore>> {
        Ok(self.running.get()?.engine.job(JobId(id)).map(JobCore::from))
    }

    fn fileno(&self) -> PyResult<i32> {
        Ok(self.running.get()?.engine.fd().map_err(failed)?.as_raw_fd())
    }

    /// Makes `fileno()` readable.
    fn wake(&self) -> PyResult<()> {
        self.running.get()?.engine.wake_foreground();
        Ok(())
    }

    /// What is new in up to `max_items` jobs, and looks for about `max_ms` milliseconds. `wrap` makes a job of a core.
    fn drain(
        &self,
        py: Python<'_>,
        max_items: usize,
        max_ms: f64,
        wrap: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Update>> {
        let Running { engine, seen, .. } = self.running.get()?;
        let time = seconds("max_ms", max_ms / 1e3)?;
        let forget = self.looks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1;
        let news = py.detach(|| {
            let mut seen = lock(seen);
            if forget {
                seen.forget(engine);
            }
            seen.look(engine, max_items.max(1), time)
        });
        news.into_iter().map(|news| news.into_update(py, wrap)).collect()
    }

    /// Ends the engine, on a thread, from the first look at what this gives. What it gives comes with the end.
    fn ending(&self, cancel: bool, grace: f64) -> PyResult<Wait> {
        let engine = self.running.get()?.engine.clone();
        let how = if cancel { OnShutdown::Cancel } else { OnShutdown::Finish };
        let grace = seconds("grace", grace)?.unwrap_or(Duration::MAX);
        Ok(Wait::on(async move { drop(engine.shutdown_async(how, grace).await) }))
    }

    /// What the end of the engine did: the numbers of the jobs that finished, were cut, and are stuck. Waits for it.
    fn ended(&self, py: Python<'_>) -> PyResult<[Vec<u64>; 3]> {
        let engine = &self.running.get()?.engine;
        let report = py.detach(|| engine.shutdown(OnShutdown::Cancel, Duration::ZERO)).map_err(failed)?;
        let numbers = |jobs: Vec<towline::engine::JobInfo>| jobs.iter().map(|job| job.id.0).collect();
        Ok([numbers(report.finished), numbers(report.cut), numbers(report.stuck)])
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
    /// The engine's end waits for tasks that clean up, and those of Python need the interpreter for that.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let mut running = Some(running);
            Python::try_attach(|py| py.detach(|| drop(running.take())));
        }
    }
}
