//! Errors: what went wrong, who caused it, and whether the request may have had an effect.

use std::fmt;
use std::time::Duration;

use crate::json::Json;
use crate::quote::quote;

/// Why a request or stream failed.
///
/// `Display` shows only the message. Messages contain no keys, no credentials and no prompt text. An error
/// can be cloned, compared and stored in an outcome, so it wraps no other error: the message includes the
/// cause, and `source()` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure, for branching.
    pub kind: ErrorKind,
    /// Whose doing it was.
    pub fault: Fault,
    /// A message for people: what went wrong and, if possible, what to do.
    pub message: String,
    /// The HTTP status, if one was received.
    pub status: Option<u16>,
    /// Whether the server may have acted on the request. `false` only if it certainly has not: nothing was
    /// sent, or the server refused before acting.
    pub may_have_had_effect: bool,
    /// How long the server asks clients to wait before a retry.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error without a status and without a wait.
    pub fn new(kind: ErrorKind, fault: Fault, message: impl Into<String>) -> Self {
        Self {
            kind,
            fault,
            message: message.into(),
            status: None,
            may_have_had_effect: false,
            retry_after: None,
        }
    }

    /// The same error, with this value of `may_have_had_effect`.
    #[must_use]
    pub fn with_effect(mut self, may_have_had_effect: bool) -> Self {
        self.may_have_had_effect = may_have_had_effect;
        self
    }

    /// Whether the server reports a missing endpoint, as opposed to a missing model. LM Studio reports it
    /// with a success status.
    pub fn is_missing_endpoint(&self) -> bool {
        match self.status {
            Some(404) => !self.message.to_ascii_lowercase().contains("model"),
            Some(405 | 501) => true,
            Some(_) => false,
            None => self.kind == ErrorKind::Server && self.message.starts_with("Unexpected endpoint"),
        }
    }

    /// The message without the status that [`from_status`](Self::from_status) appends to the server's own
    /// words.
    pub fn words(&self) -> &str {
        let Some(status) = self.status else { return &self.message };
        self.message.strip_suffix(&format!(" (status {status})")).unwrap_or(&self.message)
    }

    /// The error for a web page in place of a response of the protocol. With status 200 it comes from a
    /// gateway, a login or another kind of server.
    pub fn page(status: u16, body: &[u8]) -> Self {
        let title = crate::page::line(body);
        let title = if title.is_empty() { "without a title" } else { &title };
        let message = format!("the server answered with a web page, not with its protocol: {title}");
        let error = Self::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true);
        Self { status: Some(status), ..error }
    }

    /// The failure that a response with a success status reports: an error of a server that has no other way
    /// to report it, or a web page. `None` for any other response.
    pub fn in_answer(body: &[u8]) -> Option<Self> {
        if crate::page::is_page(body) {
            return Some(Self::page(200, body));
        }
        // Errors are short, and a long response need not be parsed twice.
        let body = Some(body).filter(|body| body.len() <= MAX_ERROR_BYTES)?;
        let value = serde_json::from_slice::<Json<'_>>(body).ok()?;
        let error = value.get("error").filter(|error| !error.is_null())?;
        let message = message_in_error(error, &value);
        Some(Self::new(ErrorKind::Server, Fault::Server, message).with_effect(true))
    }

    /// The error for a response with the error status `status` and the body `body`.
    pub fn from_status(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let words = message_in_body(body);
        let kind = match status {
            300..=399 => ErrorKind::Redirect,
            401 | 403 => ErrorKind::Unauthorized,
            404 => ErrorKind::NotFound,
            429 | 503 => ErrorKind::Busy,
            400..=499 => ErrorKind::Rejected,
            _ => ErrorKind::Server,
        };
        let message = if words.is_empty() {
            format!("the server answered with status {status} and no explanation")
        } else {
            format!("{words} (status {status})")
        };
        Self {
            kind,
            fault: Fault::Server,
            message,
            status: Some(status),
            may_have_had_effect: !matches!(status, 300..=499 | 503),
            retry_after,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's input cannot be sent: an invalid host, a header with a line break, a missing model name.
    InvalidRequest,
    /// No connection could be made. Nothing was sent.
    Connect,
    /// The TLS handshake failed. Nothing was sent.
    Tls,
    /// The connection broke.
    ConnectionLost,
    /// The stream ended before its terminal record.
    Truncated,
    /// The server does not accept the request as it is (4xx).
    Rejected,
    /// A key is missing or was rejected (401, 403).
    Unauthorized,
    /// The model or path does not exist on the server (404).
    NotFound,
    /// The server is too busy (429, 503).
    Busy,
    /// The server reported a failure, by status or in the stream.
    Server,
    /// The server sent bytes that violate its protocol.
    Protocol,
    /// A named limit was exceeded.
    Limit,
    /// The server redirects to a target to which the request must not go.
    Redirect,
    /// A time limit expired.
    TimedOut,
    /// The caller cancelled.
    Cancelled,
    /// The caller's own task failed or panicked.
    Task,
}

impl ErrorKind {
    /// The kind's name in machine-readable output. Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::ConnectionLost => "connection_lost",
            Self::Truncated => "truncated",
            Self::Rejected => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Busy => "busy",
            Self::Server => "server",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Redirect => "redirect",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Task => "task",
        }
    }
}

/// Who caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The program that made the request.
    Caller,
    /// The model server, because it reported an error or ended the response early.
    Server,
    /// The network in between.
    Transport,
    /// The received bytes violate the protocol or exceed a limit.
    Protocol,
}

impl Fault {
    /// The fault's name in machine-readable output. Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Server => "server",
            Self::Transport => "transport",
            Self::Protocol => "protocol",
        }
    }
}

/// The server's message in an error body: the `error` of a JSON object, the title of a page, else the start
/// of the text.
fn message_in_body(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Json<'_>>(body) {
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            return message_in_error(error, &value);
        }
        if let Some(words) = words(&value, MAX_DEPTH) {
            return words;
        }
    }
    match std::str::from_utf8(body) {
        _ if crate::page::is_page(body) => crate::page::line(body),
        // The body has an encoding that is not decoded here.
        Err(_) if body.iter().any(|byte| matches!(byte, 0..=8 | 14..=26)) => String::new(),
        Ok(_) | Err(_) => quote(body),
    }
}

/// The longest response that is searched for an error, in bytes.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// How deep an error is searched for its message: servers wrap each other's errors.
const MAX_DEPTH: usize = 5;

/// The message of an `error` value, which servers send as a text (possibly JSON again) or as an object with a
/// `message`; with the sign-in address, if the surrounding object has one.
pub(crate) fn message_in_error(error: &Json<'_>, around: &Json<'_>) -> String {
    let reported = words(error, MAX_DEPTH).or_else(|| words(around.get("message")?, MAX_DEPTH));
    let message = reported.unwrap_or_else(|| quote(error.to_value().to_string().as_bytes()));
    match around.get("signin_url").and_then(|url| url.as_str()) {
        Some(url) => format!("{message} (sign in at {})", quote(url.as_bytes())),
        None => message,
    }
}

fn words(value: &Json<'_>, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Json::String(text) => {
            let inner =
                text.trim_start().starts_with('{').then(|| serde_json::from_str::<Json<'_>>(text).ok());
            let inner = inner.flatten().and_then(|inner| words(&inner, depth));
            inner.or_else(|| {
                Some(if crate::page::is_page(text.as_bytes()) {
                    crate::page::line(text.as_bytes())
                } else {
                    quote(text.as_bytes())
                })
            })
        }
        Json::Object(_) => ["message", "error", "detail", "msg", "text"]
            .iter()
            .filter_map(|key| value.get(key))
            .find_map(|inner| words(inner, depth)),
        Json::Array(values) => {
            values.iter().filter(|inner| inner.is_object()).find_map(|inner| words(inner, depth))
        }
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Number(_) => None,
    }
}
