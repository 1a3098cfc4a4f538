//! The access log and the audit log: who asked for what, and with what result. Never a query, a name, a prompt, an answer
//! or a token.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use crate::id::Owner;
use crate::relay::Relay;

/// How long the response to a wrong token waits, so that tokens are not guessed.
pub(super) const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// What is noted of a request until its response begins.
#[derive(Debug)]
pub(super) struct Trail {
    peer: Option<IpAddr>,
    method: Method,
    path: String,
    owner: Option<Owner>,
    began: Instant,
}

impl Trail {
    pub(super) fn of<B>(request: &Request<B>, peer: Option<IpAddr>) -> Self {
        Self {
            peer,
            method: request.method().clone(),
            path: without_names(request.uri().path()),
            owner: None,
            began: Instant::now(),
        }
    }

    /// The request belongs to this owner. A job that it names is noted by its id: names are made from questions.
    pub(super) fn belongs_to(&mut self, owner: &Owner, relay: &Relay, path: &str) {
        self.owner = Some(owner.clone());
        if let Some((before, handle, after)) = split_handle(path)
            && let Ok(entry) = relay.shelf.resolve(owner, &percent_decode_str(handle).decode_utf8_lossy())
        {
            self.path = format!("{before}{}{after}", entry.id);
        }
    }

    /// A token was given, and is none of the relay's.
    pub(super) fn has_wrong_token(&self) {
        let Self { method, path, .. } = self;
        tracing::warn!(log = "audit", peer = self.peer(), method = method.as_str(), path, "a token is wrong");
    }

    /// The response begins. Requests that ask or change something are audited; the others are in the access log.
    pub(super) fn tell(&self, answer: &Answer) {
        let Self { method, path, owner, began, .. } = self;
        let (method, owner) = (method.as_str(), owner.as_ref().map(Owner::as_str));
        let (status, ms) = (answer.status().as_u16(), began.elapsed().as_millis() as u64);
        let stream = answer.headers().get("towline-stream").and_then(|id| id.to_str().ok());
        if self.changes() && answer.status() != StatusCode::UNAUTHORIZED {
            tracing::info!(
                log = "audit",
                peer = self.peer(),
                owner,
                method,
                path,
                stream,
                status,
                ms,
                "a request"
            );
        } else {
            tracing::debug!(
                log = "access",
                peer = self.peer(),
                owner,
                method,
                path,
                stream,
                status,
                ms,
                "a request"
            );
        }
    }

    /// Whether it asks or changes something. Appends to a client's own stream are its data: there may be thousands a second.
    fn changes(&self) -> bool {
        let is_append = self.method == Method::POST && self.path.starts_with("/streams/");
        !is_append && !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    fn peer(&self) -> Option<String> {
        self.peer.map(|peer| peer.to_string())
    }
}

/// What stands before and after the handle of a job or a device in a path.
fn split_handle(path: &str) -> Option<(&str, &str, &str)> {
    let at = ["/towline/v1/jobs/", "/towline/v1/devices/"]
        .into_iter()
        .find(|start| path.starts_with(start))?
        .len();
    let end = path[at..].find('/').map_or(path.len(), |length| at + length);
    Some((&path[..at], &path[at..end], &path[end..]))
}

/// The path, with a placeholder for a handle, and of a length that fits a line.
fn without_names(path: &str) -> String {
    const LONGEST: usize = 200;
    let shown = match split_handle(path) {
        Some((before, _, after)) => format!("{before}{{name}}{after}"),
        None => path.to_owned(),
    };
    shown.chars().filter(char::is_ascii_graphic).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_told() {
        for (path, told) in [
            ("/towline/v1/jobs/tell-a-secret/cancel", "/towline/v1/jobs/{name}/cancel"),
            ("/towline/v1/jobs/tell-a-secret", "/towline/v1/jobs/{name}"),
            ("/towline/v1/devices/phone", "/towline/v1/devices/{name}"),
            ("/towline/v1/jobs", "/towline/v1/jobs"),
            ("/api/chat", "/api/chat"),
            ("/a\u{7}b", "/ab"),
        ] {
            assert_eq!(without_names(path), told);
        }
    }
}
