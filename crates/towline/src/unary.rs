//! Requests with a single response.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Method;
use towline_core::outcome::{Clock, Ending};
use towline_core::timeouts::Timeouts;

use crate::failure;
use crate::handle::{Client, json_body};
use crate::transport::{Read, Request, RequestBody, ResponseBody};

impl Client {
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Error> {
        let answer = self.exchange_json(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            let message = format!("the server's answer to {path} has an unexpected form: {error}");
            Error::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(method != Method::Get)
        })
    }

    pub(crate) async fn call_for_status(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<(), Error> {
        self.exchange_json(method, path, body).await.map(drop)
    }

    async fn exchange_json(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Vec<u8>, Error> {
        self.exchange_bytes(method, path, body.map(json_body).transpose()?).await
    }

    /// Boxed, so that it is compiled once, here, and not for each type of response in each program.
    pub(crate) fn exchange_bytes<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send + 'a>> {
        Box::pin(async move {
            let headers = [("Accept", "application/json"), ("Content-Type", "application/json")];
            let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
            self.exchange(|| {
                let bytes = body.clone().map_or(RequestBody::Empty, RequestBody::Bytes);
                let request = self.request(method, path, bytes, headers);
                Request { accept_gzip: true, ..request }
            })
            .await
        })
    }

    /// Sends one request and reads its whole response, with the client's timeouts; retries if that is safe.
    pub(crate) async fn exchange(&self, request: impl Fn() -> Request) -> Result<Vec<u8>, Error> {
        let trying = async {
            let mut tries = 1;
            loop {
                let result = self.exchange_once(request(), &Progress::new()).await;
                let Err(error) = &result else { return result };
                let Some(wait) = self.config().retry.wait_after(error, tries, fastrand::f64()) else {
                    return result.map_err(|error| after(tries, error));
                };
                tokio::time::sleep(wait).await;
                tries += 1;
            }
        };
        within(self.config().timeouts.total, Clock::Total, true, trying).await
    }

    /// Sends one request whose body comes from a reader, and reads its whole response, with the client's
    /// timeouts. The time limit for the response starts when the body stops making progress.
    pub(crate) async fn upload(&self, mut request: Request) -> Result<Vec<u8>, Error> {
        let progress = Progress::new();
        if let RequestBody::Stream { len_bytes, reader } = request.body {
            let reader = Box::pin(ProgressReader { reader, progress: progress.clone() });
            request.body = RequestBody::Stream { len_bytes, reader };
        }
        within(self.config().timeouts.total, Clock::Total, true, self.exchange_once(request, &progress)).await
    }

    async fn exchange_once(&self, request: Request, progress: &Progress) -> Result<Vec<u8>, Error> {
        let timeouts = self.config().timeouts;
        let connecting = async { self.connect().await.map_err(|e| failure::error(&e)) };
        let connection = within(timeouts.connect, Clock::Connect, false, connecting).await?;
        progress.made();
        let sending = async { connection.send(request).await.map_err(|e| failure::error(&e)) };
        let sending = within_progress(timeouts.first_event, Clock::FirstEvent, progress, sending);
        let mut response = sending.await?;
        if (200..300).contains(&response.status) {
            let reading = self.read_body(&mut response.body, timeouts);
            // The whole response is one record.
            let body = within(timeouts.record, Clock::Record, true, reading).await?;
            return Error::in_answer(&body).map_or(Ok(body), Err);
        }
        let body = self.read_error_body(&mut response.body).await;
        Err(Error::from_status(response.status, &body, failure::retry_after(&response.headers)))
    }

    async fn read_body(&self, body: &mut ResponseBody, timeouts: Timeouts) -> Result<Vec<u8>, Error> {
        let limit = self.config().limits.reply_bytes;
        let mut bytes = Vec::new();
        loop {
            let reading = async { body.read(&mut bytes).await.map_err(|e| failure::error(&e)) };
            match within(timeouts.idle, Clock::Idle, true, reading).await? {
                Read::End => return Ok(bytes),
                Read::Bytes(_) if bytes.len() > limit => {
                    let message = format!("the answer is longer than the reply limit of {limit} bytes");
                    return Err(Error::new(ErrorKind::Limit, Fault::Protocol, message).with_effect(true));
                }
                Read::Bytes(_) => {}
            }
        }
    }

    /// Reads an error response to its end, its size limit or its time limit, whichever comes first.
    pub(crate) async fn read_error_body(&self, body: &mut ResponseBody) -> Vec<u8> {
        let limits = self.config().limits;
        let mut bytes = Vec::new();
        let reading = async {
            while bytes.len() < limits.error_body_bytes
                && let Ok(Read::Bytes(_)) = body.read(&mut bytes).await
            {}
        };
        drop(tokio::time::timeout(limits.error_body_time, reading).await);
        bytes.truncate(limits.error_body_bytes);
        bytes
    }
}

/// The error of the last of several attempts.
fn after(tries: u32, mut error: Error) -> Error {
    if tries > 1 {
        error.message = format!("{} ({tries} tries)", error.message);
    }
    error
}

/// The result of `work`, or the error of `clock` if it takes longer than `limit`.
async fn within<T>(
    limit: Option<Duration>,
    clock: Clock,
    may_have_had_effect: bool,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else { return work.await };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(timed_out(clock, limit, may_have_had_effect)),
    }
}

/// The result of `work`, or the error of `clock` if there was no progress for `limit`.
async fn within_progress<T>(
    limit: Option<Duration>,
    clock: Clock,
    progress: &Progress,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else { return work.await };
    let mut work = pin!(work);
    let mut from = progress.last();
    loop {
        if let Ok(result) = tokio::time::timeout(limit.saturating_sub(from.elapsed()), &mut work).await {
            return result;
        }
        let last = progress.last();
        if last == from {
            return Err(timed_out(clock, limit, true));
        }
        from = last;
    }
}

fn timed_out(clock: Clock, limit: Duration, may_have_had_effect: bool) -> Error {
    let ending = Ending::TimedOut { clock, limit, may_have_had_effect };
    ending.error().unwrap_or_else(|| unreachable!("a timeout is an error"))
}

/// When a request last made progress.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that records when it was read.
struct ProgressReader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    progress: Progress,
}

impl AsyncRead for ProgressReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.reader.as_mut().poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.progress.made();
        }
        polled
    }
}
