//! The client inside Python's clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyType;
use towline::client::{
    Api, Endpoint, Http2Policy, Method, NetworkVariables, Operation, ProxyConfig, RedirectPolicy, Resume,
    RetryPolicy, ThinkTags, Timeouts, TlsConfig,
};
use towline::error::{ErrorKind, Fault};
use towline::relay::{RelayConfig, Via};
use towline::{Client, Config, Error};

use crate::call::Call;
use crate::failure;
use crate::forked::ProcessBound;
use crate::registry::Registry;
use crate::relay::{self, Watch};
use crate::stream::Stream;

/// A client for one server.
#[pyclass(module = "towline._towline", frozen)]
pub(crate) struct NativeClient {
    client: ProcessBound<Client>,
    registry: Arc<Registry>,
    resume: Resume,
}

impl NativeClient {
    /// The client itself, for the engine.
    pub(crate) fn client(&self) -> PyResult<&Client> {
        self.client.get()
    }

    /// How its streams resume after a cut.
    pub(crate) fn resume(&self) -> Resume {
        self.resume
    }
}

/// Splits the text of a complete answer into thinking and text.
#[pyfunction]
pub(crate) fn split_thinking(text: String) -> (String, String) {
    ThinkTags::Split.split(text)
}

#[pymethods]
impl NativeClient {
    /// Times are in seconds; `None` means no limit. With `trust_env`, the usual environment variables name the proxy and the
    /// trusted authorities, unless `proxy` and `roots_pem` do.
    #[new]
    #[pyo3(signature = (host, headers, *, connect, first_event, idle, record, total, redirects, http2, proxy,
                        trust_env, roots_pem, retries, resume, api, through_relay, relay_server,
                        keep_think_tags))]
    #[expect(clippy::too_many_arguments, reason = "by keyword, from one place")]
    fn new(
        py: Python<'_>,
        host: &str,
        headers: Vec<(String, String)>,
        connect: Option<f64>,
        first_event: Option<f64>,
        idle: Option<f64>,
        record: Option<f64>,
        total: Option<f64>,
        redirects: bool,
        http2: bool,
        proxy: Option<String>,
        trust_env: bool,
        roots_pem: Vec<Vec<u8>>,
        retries: u32,
        resume: u32,
        api: &str,
        through_relay: bool,
        relay_server: Option<String>,
        keep_think_tags: bool,
    ) -> PyResult<Self> {
        let endpoint =
            towline::client::host::parse(host).map_err(|error| failure::bad_input(error.to_string()))?;
        let variable = |name: &str| std::env::var(name).ok().filter(|_| trust_env);
        let mut config = Config {
            headers,
            timeouts: Timeouts {
                connect: seconds(connect)?,
                first_event: seconds(first_event)?,
                idle: seconds(idle)?,
                record: seconds(record)?,
                total: seconds(total)?,
            },
            retry: match retries {
                0 => RetryPolicy::NEVER,
                retries => RetryPolicy { max_tries: retries.saturating_add(1), ..RetryPolicy::default() },
            },
            api: match api {
                "ollama" => Api::Ollama,
                "openai" => Api::OpenAi,
                "auto" => Api::Auto,
                other => {
                    return Err(failure::bad_input(format!(
                        "{other:?} is not a dialect that this package speaks"
                    )));
                }
            },
            via: if through_relay { Via::Relay(relayed(relay_server, &endpoint)) } else { Via::Server },
            think_tags: if keep_think_tags { ThinkTags::Keep } else { ThinkTags::Split },
            transport: NetworkVariables::read(variable).transport(&endpoint),
            ..Config::default()
        };
        config.transport.redirects = if redirects { RedirectPolicy::SameHost } else { RedirectPolicy::Never };
        if http2 {
            config.transport.http2.policy = Http2Policy::PriorKnowledge;
        }
        if proxy.is_some() {
            config.transport.proxy = ProxyConfig { url: proxy, ..ProxyConfig::default() };
        }
        if !roots_pem.is_empty() {
            let (extra_roots_pem, only_extra_roots) = (roots_pem, true);
            config.transport.tls = TlsConfig { extra_roots_pem, only_extra_roots, ..TlsConfig::default() };
        }
        let client = Client::with_config(endpoint, config)
            .map_err(|error| failure::of_error(py, &error, through_relay))?;
        let resume = if resume == 0 { Resume::Never } else { Resume::Continue { max: resume } };
        Ok(Self { client: ProcessBound::new(client), registry: Arc::default(), resume })
    }

    /// A stream of `chat`, `generate`, `pull`, `push` or `create`. Its records become instances of `model`, and each is first
    /// passed to `on_record`.
    #[pyo3(signature = (operation, body, model, on_record=None))]
    fn stream(
        &self,
        operation: &str,
        body: Vec<u8>,
        model: Py<PyType>,
        on_record: Option<Py<PyAny>>,
    ) -> PyResult<Stream> {
        let operation = self::operation(operation)?;
        let (client, resume) = (self.client.get()?.clone(), self.resume);
        let is_relayed = matches!(client.config().via, Via::Relay(_));
        let make = move || client.operate(operation, Bytes::from(body)).with_resume(resume);
        Ok(Stream::new(Box::new(make), Arc::clone(&self.registry), operation, is_relayed, model, on_record))
    }

    /// A stream that a relay runs or has run, read from `start` on; its records are those of `stream`.
    #[pyo3(signature = (id, operation, start, model, on_record=None))]
    fn attach(
        &self,
        id: String,
        operation: &str,
        start: &str,
        model: Py<PyType>,
        on_record: Option<Py<PyAny>>,
    ) -> PyResult<Stream> {
        let (operation, start) = (self::operation(operation)?, relay::start(start)?);
        let client = self.client.get()?.clone();
        let make = move || client.attach(&id, start);
        Ok(Stream::new(Box::new(make), Arc::clone(&self.registry), operation, true, model, on_record))
    }

    /// Sends `command`, an object in JSON, to the relay.
    fn relay(&self, py: Python<'_>, command: &str) -> PyResult<Call> {
        let command: relay::RelayCommand =
            serde_json::from_str(command).map_err(|error| failure::bad_input(error.to_string()))?;
        let control = self.client.get()?.relay();
        self.start(py, relay::run_command(control, command))
    }

    /// The relay's jobs that match `filter`, an object in JSON, and each change of them.
    fn watch(&self, py: Python<'_>, filter: &str) -> PyResult<Watch> {
        let filter: relay::JobFilter =
            serde_json::from_str(filter).map_err(|error| failure::bad_input(error.to_string()))?;
        let filter = filter.filter().map_err(|error| failure::of_error(py, &error, true))?;
        Ok(Watch::new(Arc::clone(&self.registry), self.client.get()?.relay().watch(&filter)))
    }

    /// Starts this user's own relay, which this client uses, unless it is running.
    fn ensure_own_relay(
        &self,
        py: Python<'_>,
        runtime: Option<PathBuf>,
        temporary: PathBuf,
        program: PathBuf,
    ) -> PyResult<Call> {
        let own = relay::find_own(runtime.as_deref(), &temporary)
            .map_err(|error| failure::of_error(py, &error, true))?;
        self.start(py, relay::ensure_own(own, program))
    }

    /// Sends a request with a single answer.
    fn call(&self, py: Python<'_>, method: &str, path: String, body: Option<Vec<u8>>) -> PyResult<Call> {
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            other => {
                return Err(failure::bad_input(format!(
                    "{other:?} is not a method that this package supports"
                )));
            }
        };
        let client = self.client.get()?.clone();
        self.start(py, async move { client.call_bytes(method, &path, body.map(Bytes::from)).await })
    }

    /// Sends the file at `path` as the blob `digest`.
    fn upload(&self, py: Python<'_>, path: PathBuf, digest: String) -> PyResult<Call> {
        let client = self.client.get()?.clone();
        self.start(py, async move {
            let unreadable = |error: std::io::Error| {
                let message = format!("{} cannot be read: {error}", path.display());
                Error::new(ErrorKind::InvalidRequest, Fault::Caller, message)
            };
            let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
            let len_bytes = file.metadata().await.map_err(unreadable)?.len();
            client.upload_blob(&digest, len_bytes, file).await.map(|()| Vec::new())
        })
    }

    /// The address of the server, without a path.
    #[getter]
    fn base_url(&self) -> PyResult<String> {
        Ok(self.client.get()?.endpoint().to_string())
    }

    /// Whether the server is on this machine.
    #[getter]
    fn is_loopback(&self) -> PyResult<bool> {
        Ok(self.client.get()?.endpoint().is_loopback())
    }

    /// Cancels all running requests, from any thread, and rejects later ones.
    fn close(&self) {
        self.registry.close();
    }
}

impl NativeClient {
    fn start(
        &self,
        py: Python<'_>,
        call: impl Future<Output = Result<Vec<u8>, Error>> + Send + 'static,
    ) -> PyResult<Call> {
        let is_relayed = matches!(self.client.get()?.config().via, Via::Relay(_));
        self.registry.call(py, call, is_relayed)
    }
}

/// The address of this user's own relay. `runtime` is the value of `XDG_RUNTIME_DIR`.
#[pyfunction]
pub(crate) fn own_relay(py: Python<'_>, runtime: Option<PathBuf>, temporary: PathBuf) -> PyResult<String> {
    let own = relay::find_own(runtime.as_deref(), &temporary)
        .map_err(|error| failure::of_error(py, &error, true))?;
    Ok(format!("unix:{}", own.socket().display()))
}

/// The headers for a relay: the program that asks, and the model server, if one is named. If `OLLAMA_HOST` is the relay
/// itself, the relay must not ask itself.
fn relayed(server: Option<String>, relay: &Endpoint) -> RelayConfig {
    let is_itself = |named: &String| towline::client::host::parse(named).is_ok_and(|named| named == *relay);
    let server = server.filter(|named| !is_itself(named));
    RelayConfig { server, asked_by: Some("python".to_owned()), ..RelayConfig::default() }
}

/// The streamed operation with this name.
pub(crate) fn operation(name: &str) -> PyResult<Operation> {
    match name {
        "chat" => Ok(Operation::Chat),
        "generate" => Ok(Operation::Generate),
        "pull" => Ok(Operation::Pull),
        "push" => Ok(Operation::Push),
        "create" => Ok(Operation::Create),
        other => {
            let known = "\"chat\", \"generate\", \"pull\", \"push\" and \"create\"";
            Err(failure::bad_input(format!("the operation must be one of {known}, not {other:?}")))
        }
    }
}

fn seconds(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let of = |seconds: f64| {
        Duration::try_from_secs_f64(seconds).map_err(|_| {
            failure::bad_input(format!("a timeout must be a number of seconds, 0 or more, not {seconds}"))
        })
    };
    seconds.map(of).transpose()
}
