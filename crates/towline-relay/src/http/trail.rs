//! The access log and the audit log: requests, their owners and their results. They never contain a query, a
//! name, a prompt, an answer or a token.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::{Method, Request, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use crate::id::{Owner, StreamId};
use crate::relay::Relay;

/// How long the response to a wrong token is delayed, against guessing.
pub(super) const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// The data of a request until its response begins. A line is formatted only if its log level is enabled.
#[derive(Debug)]
pub(super) struct Trail {
    peer: Option<IpAddr>,
    method: Method,
    uri: Uri,
    owner: Option<Owner>,
    /// The id of the job that it names. Names are derived from questions, so the log has only the id.
    job: Option<StreamId>,
    began: Instant,
}

impl Trail {
    pub(super) fn of<B>(request: &Request<B>, peer: Option<IpAddr>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { peer, method, uri, owner: None, job: None, began: Instant::now() }
    }

    /// Sets the owner of the request.
    pub(super) fn belongs_to(&mut self, owner: &Owner, relay: &Relay) {
        self.owner = Some(owner.clone());
        self.job = split_handle(self.uri.path()).and_then(|(_, handle, _)| {
            let handle = percent_decode_str(handle).decode_utf8_lossy();
            relay.registry.resolve(owner, &handle).ok().map(|entry| entry.id)
        });
    }

    /// Records that the request has a wrong token.
    pub(super) fn has_wrong_token(&self) {
        let (peer, method, path) = (self.peer(), self.method.as_str(), self.path());
        tracing::warn!(log = "audit", peer, method, path, "a request with a wrong token");
    }

    /// Logs the beginning of the response. Requests that ask or change something go to the audit log, others
    /// to the access log.
    pub(super) fn log(&self, answer: &Answer) {
        // The level of a line must be a constant.
        macro_rules! line {
            ($level:ident, $log:literal) => {
                tracing::$level!(
                    log = $log,
                    peer = self.peer(),
                    owner = self.owner.as_ref().map(Owner::as_str),
                    method = self.method.as_str(),
                    path = self.path(),
                    stream = answer.headers().get("towline-stream").and_then(|id| id.to_str().ok()),
                    status = answer.status().as_u16(),
                    ms = self.began.elapsed().as_millis() as u64,
                    "a request"
                )
            };
        }
        if self.changes() && answer.status() != StatusCode::UNAUTHORIZED {
            line!(info, "audit");
        } else {
            line!(debug, "access");
        }
    }

    /// Whether it asks or changes something. Appends to a client's own stream do not count, because there may
    /// be thousands per second.
    fn changes(&self) -> bool {
        let is_append = self.method == Method::POST && self.uri.path().starts_with("/streams/");
        !is_append && !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    fn path(&self) -> String {
        shown(self.uri.path(), self.job.as_ref().map_or("{name}", StreamId::as_str))
    }

    fn peer(&self) -> Option<String> {
        self.peer.map(|peer| peer.to_string())
    }
}

/// Splits a path around the handle of a job or a device.
fn split_handle(path: &str) -> Option<(&str, &str, &str)> {
    let at = ["/towline/v1/jobs/", "/towline/v1/devices/"]
        .into_iter()
        .find(|start| path.starts_with(start))?
        .len();
    let end = path[at..].find('/').map_or(path.len(), |length| at + length);
    Some((&path[..at], &path[at..end], &path[end..]))
}

/// The path with `id` in place of a handle, shortened for a log line.
fn shown(path: &str, id: &str) -> String {
    const LONGEST: usize = 200;
    let path = match split_handle(path) {
        Some((before, _, after)) => Cow::Owned(format!("{before}{id}{after}")),
        None => Cow::Borrowed(path),
    };
    path.chars().filter(char::is_ascii_graphic).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_logged() {
        for (path, expected) in [
            ("/towline/v1/jobs/tell-a-secret/cancel", "/towline/v1/jobs/{name}/cancel"),
            ("/towline/v1/jobs/tell-a-secret", "/towline/v1/jobs/{name}"),
            ("/towline/v1/devices/phone", "/towline/v1/devices/{name}"),
            ("/towline/v1/jobs", "/towline/v1/jobs"),
            ("/api/chat", "/api/chat"),
            ("/a\u{7}b", "/ab"),
        ] {
            assert_eq!(shown(path, "{name}"), expected);
        }
    }
}
