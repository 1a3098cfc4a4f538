//! The client's handle: the address of the server, and the configuration of requests to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::Serialize;
use towline_core::dialect::Dialect;
use towline_core::endpoint::{Credentials, Endpoint};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::host;
use towline_core::http1::Method;

use crate::config::{Api, ApiKey, Config};
use crate::failure;
use crate::timer::Timers;
use crate::transport::{Connection, Request, RequestBody, Transport, TransportError};
use crate::via::{SERVER, SERVER_RUNNING, Via};

/// A client of one server. Cloning is cheap; clones share connections.
///
/// It spawns no tasks: a request makes progress only while it is awaited or polled, and dropping it cancels
/// it. (With HTTP/2, one task per connection moves frames.) Use it inside a tokio runtime.
///
/// ```no_run
/// use std::time::Duration;
/// use towline::api::{EmbedRequest, PullRequest};
/// use towline::client::{Timeouts, host};
/// use towline::{ChatRequest, Client, Config};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let timeouts = Timeouts { idle: Some(Duration::from_secs(60)), ..Timeouts::default() };
/// let client = Client::with_config(host::parse("127.0.0.1:11434")?, Config { timeouts, ..Config::default() })?;
///
/// // Streams: chat, generate, pull, push, create.
/// let mut pull = client.pull(PullRequest { model: "llama3.2".to_owned(), ..PullRequest::default() });
/// while let Some(item) = pull.next().await {
///     println!("{item:?}");
/// }
/// let answer = client.chat(ChatRequest::new("llama3.2").system("Be brief.").user("What is a river?")).text().await?;
///
/// // Single answers: list, ps, show, embed, copy, delete, version.
/// for model in client.list().await?.models {
///     println!("{} has {} bytes", model.name, model.size);
/// }
/// let request = EmbedRequest { model: "nomic-embed-text".to_owned(), input: vec![answer], ..EmbedRequest::default() };
/// println!("{} numbers", client.embed(request).await?.embeddings[0].len());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Arc<Endpoint>,
    config: Config,
    transport: Transport,
    timers: Arc<Timers>,
    /// `Api::Auto` found that the server speaks only OpenAI's dialect.
    only_openai: Arc<AtomicBool>,
}

impl Client {
    /// A client of the server that `host` names, read as Ollama reads `OLLAMA_HOST`: `127.0.0.1:11434`, `https://…`,
    /// `[::1]`, `unix:/run/x.sock`. An empty text means the server on this machine. A user and password
    /// before the host are sent only to that host, instead of a key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the text names no server.
    pub fn new(host: &str) -> Result<Self, Error> {
        let parsed = host::parse(host)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, Fault::Caller, error.to_string()))?;
        Self::with_config(parsed, Config::default())
    }

    /// A client of the server at `endpoint`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for unusable certificates or an unusable proxy, if connections to the
    /// server need them.
    pub fn with_config(endpoint: Endpoint, config: Config) -> Result<Self, Error> {
        let settings = match &config.via {
            Via::Server => config.transport.clone(),
            Via::Relay(relay) => relay.transport(&endpoint.scheme, config.transport.clone()),
        };
        let transport = Transport::new(settings);
        transport.check(&endpoint).map_err(|error| failure::error(&error))?;
        let (timers, only_openai) = (Arc::default(), Arc::default());
        let endpoint = Arc::new(endpoint);
        let shared = Shared { endpoint, config, transport, timers, only_openai };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The address of the server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// The configuration of the client.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The same client with another configuration for its requests. It shares the transport and its
    /// connections.
    #[must_use]
    pub fn with_request_config(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.shared.config.clone();
        change(&mut config);
        let shared = Shared {
            endpoint: Arc::clone(&self.shared.endpoint),
            config,
            transport: self.shared.transport.clone(),
            timers: Arc::clone(&self.shared.timers),
            only_openai: Arc::clone(&self.shared.only_openai),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A connection to the server: see [`Transport::connect`].
    pub(crate) async fn connect(&self) -> Result<Connection, TransportError> {
        self.shared.transport.connect(&self.shared.endpoint).await
    }

    pub(crate) fn timers(&self) -> &Arc<Timers> {
        &self.shared.timers
    }

    /// Whether chats go to OpenAI's endpoint: because of the configuration, or because the server has no
    /// other endpoint.
    pub fn is_openai(&self) -> bool {
        match self.shared.config.api {
            Api::Auto => self.shared.only_openai.load(Ordering::Relaxed),
            Api::Ollama => false,
            Api::OpenAi => true,
        }
    }

    pub(crate) fn remember_only_openai(&self) {
        self.shared.only_openai.store(true, Ordering::Relaxed);
    }

    /// A request with the caller's headers, and those of `headers` whose names the caller did not set.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
        headers: &[(&str, &str)],
    ) -> Request {
        let config = &self.shared.config;
        let mut request = Request::new(method, path);
        for (name, value) in &config.headers {
            request.headers.push(name, value);
        }
        let key = config.api_key.as_ref().filter(|key| !key.is_empty()).map(ApiKey::bearer);
        let authorization = self.endpoint().credentials.as_ref().map(Credentials::basic).or(key);
        let own = [("User-Agent", concat!("towline/", env!("CARGO_PKG_VERSION")))];
        let key = authorization.iter().map(|value| ("Authorization", value.as_str()));
        let (server, running) = match &config.via {
            Via::Server => (None, None),
            Via::Relay(relay) => {
                let running = relay.server_running.filter(|_| relay.server.is_some());
                (relay.server.as_deref(), running.map(|running| running.to_string()))
            }
        };
        let server = server.map(|server| (SERVER, server));
        let running = running.as_deref().map(|running| (SERVER_RUNNING, running));
        let own = own.into_iter().chain(key).chain(server).chain(running);
        for (name, value) in own.chain(headers.iter().copied()) {
            if !config.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                request.headers.push(name, value);
            }
        }
        request.body = body;
        request
    }
}

pub(crate) fn accept(dialect: Dialect) -> &'static str {
    if dialect.is_sse() {
        "text/event-stream, application/json"
    } else {
        "application/x-ndjson, application/json"
    }
}

/// A request body that can be sent repeatedly.
pub(crate) fn json_body(body: &impl Serialize) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        Error::new(
            ErrorKind::InvalidRequest,
            Fault::Caller,
            format!("the request cannot be written as JSON: {error}"),
        )
    })?;
    Ok(Bytes::from(bytes))
}
