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
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

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
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    requests: SendRequest<Full<Bytes>>,
    /// Ends the process when it is dropped.
    _child: Child,
}

impl ChildModel {
    pub(crate) fn new(runner: Runner, errand: Errand) -> Self {
        Self { runner, errand, running: Mutex::new(None) }
    }

    /// Hands a request to the child and waits for the head of its answer.
    ///
    /// A child ends by itself some time after its last request. If that happens just now, the request goes to a new
    /// one: nothing of the answer had come yet.
    ///
    /// Cancel safety: dropping the future cancels the request.
    pub(crate) async fn forward(&self, path: &str, body: Bytes) -> Result<Response<Body>, ApiError> {
        let mut response = None;
        for _ in 0..2 {
            let mut requests = self.requests().await?;
            match requests.send_request(request(Method::POST, path, body.clone())).await {
                Ok(answer) => {
                    response = Some(answer);
                    break;
                }
                Err(_) => self.forget_closed().await,
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
        let requests = match self.running.lock().await.as_ref() {
            Some(running) if !running.requests.is_closed() => running.requests.clone(),
            Some(_) | None => return Vec::new(),
        };
        self.ask(requests).await.unwrap_or_default()
    }

    async fn ask(&self, mut requests: SendRequest<Full<Bytes>>) -> Option<Vec<Value>> {
        let answer: Response<Incoming> =
            requests.send_request(request(Method::GET, "/api/ps", Bytes::new())).await.ok()?;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        let mut listing: Value = serde_json::from_slice(&body).ok()?;
        match listing.get_mut("models").map(Value::take) {
            Some(Value::Array(models)) => Some(models),
            Some(_) | None => None,
        }
    }

    /// Ends the child.
    ///
    /// Cancel safety: cancellation safe.
    pub(crate) async fn stop(&self) {
        *self.running.lock().await = None;
    }

    async fn forget_closed(&self) {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(|running| running.requests.is_closed()) {
            *running = None;
        }
    }

    async fn requests(&self) -> Result<SendRequest<Full<Bytes>>, ApiError> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.requests.is_closed()) {
            return Ok(running.requests.clone());
        }
        // The old process, if any, is gone before a new one takes its memory.
        *running = None;
        let started = self.start().await?;
        let requests = started.requests.clone();
        *running = Some(started);
        Ok(requests)
    }

    async fn start(&self) -> Result<Running, ApiError> {
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
        #[expect(
            clippy::disallowed_methods,
            reason = "drives the pipes until the child or its model is dropped"
        )]
        tokio::spawn(async move {
            // Whatever ends the connection is told to each request that is on it.
            drop(connection.await);
        });
        Ok(Running { requests, _child: child })
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
