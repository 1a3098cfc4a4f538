//! Watches the changes of a relay's jobs.

use serde_json::Value;
use towline_core::error::Error;
use towline_core::http1::Method;

use super::backoff::Backoff;
use super::control::{Filter, JOBS};
use super::job::Job;
use super::wire::odd;
use crate::failure;
use crate::handle::Client;
use crate::transport::{Read, RequestBody, ResponseBody};
use crate::via::RelayConfig;

/// The longest line, in bytes.
const LINE_BYTES: usize = 1 << 20;

/// A change of a relay's jobs.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A job that is new or has changed.
    Job(Box<Job>),
    /// The job with this id was deleted.
    Removed(String),
    /// The known state may be out of date: every job follows again.
    Reset,
}

/// The jobs of a relay: first the current state of each, then each change. It reconnects after a lost
/// connection, and reports that with [`Change::Reset`].
#[derive(Debug)]
pub struct Watch {
    client: Client,
    path: String,
    body: Option<ResponseBody>,
    unread: Vec<u8>,
    backoff: Backoff,
    /// Whether jobs were reported before.
    begun: bool,
}

impl Watch {
    pub(super) fn new(client: Client, config: RelayConfig, filter: &Filter) -> Self {
        let path = format!("{JOBS}{}&watch=true", filter.query());
        let backoff = Backoff::new(config.reconnect);
        Self { client, path, body: None, unread: Vec::new(), backoff, begun: false }
    }

    /// The next change.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// The relay refused, could not be reached at first, or was out of reach for too long.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(end) = self.unread.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                self.backoff.succeeded();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return change(&line);
            }
            if self.unread.len() > LINE_BYTES {
                return Err(odd(format!("the relay sent a line of more than {LINE_BYTES} bytes")));
            }
            let Some(body) = &mut self.body else {
                self.connect().await?;
                if self.begun {
                    return Ok(Change::Reset);
                }
                self.begun = true;
                continue;
            };
            let error = match body.read(&mut self.unread).await {
                Ok(Read::Bytes(_)) => continue,
                Ok(Read::End) => odd("the relay ended the list of changes"),
                Err(error) => failure::error(&error),
            };
            self.body = None;
            self.unread.clear();
            self.backoff.wait(error).await?;
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        loop {
            match ask(&self.client, &self.path).await {
                Ok(body) => {
                    self.backoff.reached();
                    self.body = Some(body);
                    return Ok(());
                }
                Err(error) if !self.begun || error.status.is_some_and(|s| s < 500) => return Err(error),
                Err(error) => self.backoff.wait(error).await?,
            }
        }
    }
}

/// Separate from the watch, so that its futures are `Send`.
async fn ask(client: &Client, path: &str) -> Result<ResponseBody, Error> {
    let connection = client.connect().await.map_err(|e| failure::error(&e))?;
    let request = client.request(Method::Get, path, RequestBody::Empty, &[]);
    let mut response = connection.send(request).await.map_err(|e| failure::error(&e))?;
    if response.status == 200 {
        return Ok(response.body);
    }
    let body = client.read_error_body(&mut response.body).await;
    Err(Error::from_status(response.status, &body, failure::retry_after(&response.headers)))
}

fn change(line: &[u8]) -> Result<Change, Error> {
    let not_one = |error: &dyn std::fmt::Display| {
        odd(format!("the relay sent something that is not a change of a job: {error}"))
    };
    let value: Value = serde_json::from_slice(line).map_err(|error| not_one(&error))?;
    if let Some(id) = value.get("removed").and_then(Value::as_str) {
        return Ok(Change::Removed(id.to_owned()));
    }
    serde_json::from_value(value).map(|job| Change::Job(Box::new(job))).map_err(|error| not_one(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_can_be_a_task() {
        fn is_send(_: impl Send) {}
        fn of(watch: &mut Watch) {
            is_send(watch.next());
        }
        let _ = of;
    }

    #[test]
    fn lines_are_changes() {
        assert_eq!(change(br#"{"removed":"a"}"#).unwrap(), Change::Removed("a".into()));
        let Change::Job(job) = change(br#"{"id":"b","state":"queued"}"#).unwrap() else { panic!("a job") };
        assert_eq!(job.id, "b");
        assert!(change(b"{}").unwrap_err().message.contains("not a change of a job"));
    }
}
