//! Requests with a single answer.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towline_core::clocks::Clocks;
use towline_core::error::{Error, ErrorKind, Origin};
use towline_core::http1::Method;
use towline_core::outcome::{Clock, Ending};

use crate::client::{Client, json_body};
use crate::failure;
use crate::stream::retry_after;
use crate::transport::{Read, Request, RequestBody};

/// An answer's status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// # Errors
    /// What the status means, unless it says success.
    pub(crate) fn checked(self) -> Result<Vec<u8>, Error> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            Err(Error::from_status(self.status, &self.body, self.retry_after))
        }
    }
}

impl Client {
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Error> {
        let answer = self.exchange_json(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            let message = format!("the server's answer to {path} is not what it should be: {error}");
            Error::new(ErrorKind::Protocol, Origin::Protocol, message).with_effect(method != Method::Get)
        })
    }

    pub(crate) async fn call_for_status(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), Error> {
        self.exchange_json(method, path, Some(body)).await.map(drop)
    }

    async fn exchange_json(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Vec<u8>, Error> {
        let body = body.map(json_body).transpose()?;
        let mut tries = 1;
        loop {
            let bytes = body.clone().map_or(RequestBody::Empty, RequestBody::Bytes);
            let mut request = self.request(method, path, bytes);
            if body.is_some() {
                request.headers.push("Content-Type", "application/json");
            }
            request.headers.push("Accept", "application/json");
            request.accept_gzip = true;
            let result = match self.exchange(request).await {
                Ok(answer) => answer.checked(),
                Err(error) => Err(error),
            };
            let Err(error) = &result else { return result };
            match self.config().retry.wait_after(error, tries, fastrand::f64()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return result,
            }
            tries += 1;
        }
    }

    /// One request and its whole answer, under the client's clocks.
    pub(crate) async fn exchange(&self, request: Request) -> Result<Answer, Error> {
        let clocks = self.config().clocks;
        within(clocks.total, Clock::Total, true, self.exchange_in_steps(request, clocks)).await
    }

    async fn exchange_in_steps(&self, request: Request, clocks: Clocks) -> Result<Answer, Error> {
        let limit = self.config().limits.reply_bytes;
        let connecting =
            async { self.transport().connect(self.endpoint()).await.map_err(|e| failure::error(&e)) };
        let connection = within(clocks.connect, Clock::Connect, false, connecting).await?;
        let sending = async { connection.send(request).await.map_err(|e| failure::error(&e)) };
        let mut response = within(clocks.first_event, Clock::FirstEvent, true, sending).await?;
        let mut body = Vec::new();
        loop {
            let reading = async { response.body.read(&mut body).await.map_err(|e| failure::error(&e)) };
            match within(clocks.idle, Clock::Idle, true, reading).await? {
                Read::End => break,
                Read::Bytes(_) if body.len() > limit => {
                    let message = format!("the answer is longer than the reply limit of {limit} bytes");
                    return Err(Error::new(ErrorKind::Limit, Origin::Protocol, message).with_effect(true));
                }
                Read::Bytes(_) => {}
            }
        }
        Ok(Answer { status: response.status, body, retry_after: retry_after(&response.headers) })
    }
}

/// The result of `work`, or the error of `clock` when it takes longer than `limit`.
async fn within<T>(
    limit: Option<Duration>,
    clock: Clock,
    may_have_had_effect: bool,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else { return work.await };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => {
            let ending = Ending::TimedOut { clock, limit, may_have_had_effect };
            Err(ending.error().unwrap_or_else(|| unreachable!("a timeout is an error")))
        }
    }
}
