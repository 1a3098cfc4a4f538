//! The parent's side: starting a child when it is needed, and handing requests to it.

use std::process::Stdio;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Errand;
use super::forward::{ENDED, Forwarded};
use crate::api::error::ApiError;
use crate::api::response::Body;
use crate::config::Runner;

/// A model that runs in a child process, which is started by the first request.
#[derive(Debug)]
pub(crate) struct ChildModel {
    runner: Runner,
    errand: Errand,
    processes: Mutex<Processes>,
}

/// The process that takes requests, and those that only finish what they began.
#[derive(Debug, Default)]
struct Processes {
    current: Option<Link>,
    /// How many were started.
    started: u64,
    /// One task per process: it drives the pipes, and ends the process when they are closed.
    drivers: JoinSet<()>,
}

/// A way to ask one process.
#[derive(Debug, Clone)]
struct Link {
    requests: SendRequest<Full<Bytes>>,
    number: u64,
}

impl ChildModel {
    pub(crate) fn new(runner: Runner, errand: Errand) -> Self {
        Self { runner, errand, processes: Mutex::default() }
    }

    /// Hands a request to the child and waits for the head of its answer.
    ///
    /// A child takes no more requests once its model's time is over. If that happens just now, the request goes to a
    /// new one: nothing of the answer had come yet.
    ///
    /// Cancel safety: dropping the future cancels the request.
    pub(crate) async fn forward(&self, path: &str, body: Bytes) -> Result<Response<Body>, ApiError> {
        let mut response = None;
        for _ in 0..2 {
            let mut link = self.link().await?;
            match link.requests.send_request(request(Method::POST, path, body.clone())).await {
                Ok(answer) => {
                    response = Some(answer);
                    break;
                }
                Err(_) => self.forget(link.number).await,
            }
        }
        let response = response.ok_or_else(|| ApiError::Engine(ENDED.into()))?;
        let (head, body) = response.into_parts();
        let records =
            head.headers.get(CONTENT_TYPE) == Some(&HeaderValue::from_static("application/x-ndjson"));
        let mut response = Response::new(Body::Forwarded(Box::new(Forwarded::new(body, records))));
        *response.status_mut() = head.status;
        if let Some(kind) = head.headers.get(CONTENT_TYPE) {
            response.headers_mut().insert(CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }

    /// What the child says of itself in `/api/ps`; nothing where there is none.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn ps(&self) -> Vec<Value> {
        let link = self.processes.lock().await.current.clone();
        match link {
            Some(link) => ask_ps(link.requests).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Ends every process.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn stop(&self) {
        let mut processes = self.processes.lock().await;
        processes.current = None;
        processes.drivers.shutdown().await;
    }

    /// Sends no more requests to a process; what it answers goes on.
    async fn forget(&self, number: u64) {
        let current = &mut self.processes.lock().await.current;
        if current.as_ref().is_some_and(|link| link.number == number) {
            *current = None;
        }
    }

    async fn link(&self) -> Result<Link, ApiError> {
        let mut processes = self.processes.lock().await;
        if let Some(link) = processes.current.as_ref().filter(|link| !link.requests.is_closed()) {
            return Ok(link.clone());
        }
        while processes.drivers.try_join_next().is_some() {}
        let (requests, driver) = self.start().await?;
        processes.drivers.spawn(driver);
        processes.started += 1;
        let link = Link { requests, number: processes.started };
        processes.current = Some(link.clone());
        Ok(link)
    }

    /// Starts a process; what drives its pipes must be run.
    async fn start(
        &self,
    ) -> Result<(SendRequest<Full<Bytes>>, impl Future<Output = ()> + Send + use<>), ApiError> {
        let cannot = |error: &dyn std::fmt::Display| {
            let program = self.runner.program.display();
            ApiError::Engine(format!("cannot start the model process {program}: {error}"))
        };
        let errand = serde_json::to_string(&self.errand).map_err(|error| cannot(&error))?;
        let mut child = Command::new(&self.runner.program)
            .args(&self.runner.arguments)
            .arg(errand)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| cannot(&error))?;
        let missing = || cannot(&"its pipes are missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let io = TokioIo::new(tokio::io::join(output, input));
        let ended = |_| ApiError::Engine(ENDED.into());
        let (requests, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(ended)?;
        let driver = async move {
            // Whatever ends the connection is told to each request that is on it.
            drop(connection.await);
            drop(child);
        };
        Ok((requests, driver))
    }
}

async fn ask_ps(mut requests: SendRequest<Full<Bytes>>) -> Option<Vec<Value>> {
    let answer: Response<Incoming> =
        requests.send_request(request(Method::GET, "/api/ps", Bytes::new())).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    let mut listing: Value = serde_json::from_slice(&body).ok()?;
    match listing.get_mut("models").map(Value::take) {
        Some(Value::Array(models)) => Some(models),
        Some(_) | None => None,
    }
}

fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    if let Ok(uri) = format!("http://localhost{path}").parse() {
        *request.uri_mut() = uri;
    }
    request
}
