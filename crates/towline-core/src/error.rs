//! What went wrong, whose doing it was, and whether the request may have had an effect.

use std::fmt;
use std::time::Duration;

use crate::json::Json;
use crate::quote::quote;

/// Why a request or stream failed.
///
/// `Display` gives the message alone. Messages hold no keys, no credentials and no prompt text. An error is a value that is cloned,
/// compared and kept in an outcome, so it wraps no other error: the message says the cause, and `source()` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure, to branch on.
    pub kind: ErrorKind,
    /// Whose doing it was.
    pub fault: Fault,
    /// For people: what was wrong and, where there is something to do, what to do.
    pub message: String,
    /// The HTTP status, where one was received.
    pub status: Option<u16>,
    /// Whether the server may have acted on the request. `false` only where that is certain: nothing was sent, or
    /// the server refused before acting.
    pub may_have_had_effect: bool,
    /// How long the server asked to wait before another try.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error with no status and no wish to wait.
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

    /// The same error, saying whether the server may have acted on the request.
    #[must_use]
    pub fn with_effect(mut self, may_have_had_effect: bool) -> Self {
        self.may_have_had_effect = may_have_had_effect;
        self
    }

    /// Whether the server says that it has no such endpoint, rather than no such model. LM Studio says so under a status
    /// of success.
    pub fn is_missing_endpoint(&self) -> bool {
        match self.status {
            Some(404) => !self.message.to_ascii_lowercase().contains("model"),
            Some(405 | 501) => true,
            Some(_) => false,
            None => self.kind == ErrorKind::Server && self.message.starts_with("Unexpected endpoint"),
        }
    }

    /// The message without the status that [`from_status`](Self::from_status) puts behind the server's own words.
    pub fn words(&self) -> &str {
        let Some(status) = self.status else { return &self.message };
        self.message.strip_suffix(&format!(" (status {status})")).unwrap_or(&self.message)
    }

    /// What a web page means that comes where an answer of the protocol should: with status 200 that of a gateway, a
    /// login or another kind of server.
    pub fn page(status: u16, body: &[u8]) -> Self {
        let title = crate::page::line(body);
        let title = if title.is_empty() { "without a title" } else { &title };
        let message = format!("the server answered with a web page, not with its protocol: {title}");
        let error = Self::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true);
        Self { status: Some(status), ..error }
    }

    /// The failure that an answer tells under a status that says success: an error of a server that has no other way, or
    /// a web page. `None` for any other answer.
    pub fn in_answer(body: &[u8]) -> Option<Self> {
        if crate::page::is_page(body) {
            return Some(Self::page(200, body));
        }
        // No error is long, and a long answer need not be read twice.
        let body = Some(body).filter(|body| body.len() <= MAX_ERROR_BYTES)?;
        let value = serde_json::from_slice::<Json<'_>>(body).ok()?;
        let error = value.get("error").filter(|error| !error.is_null())?;
        let message = message_in_error(error, &value);
        Some(Self::new(ErrorKind::Server, Fault::Server, message).with_effect(true))
    }

    /// What a response with the error status `status` and the body `body` means.
    pub fn from_status(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let said = message_in_body(body);
        let kind = match status {
            300..=399 => ErrorKind::Redirect,
            401 | 403 => ErrorKind::Unauthorized,
            404 => ErrorKind::NotFound,
            429 | 503 => ErrorKind::Busy,
            400..=499 => ErrorKind::Rejected,
            _ => ErrorKind::Server,
        };
        let message = if said.is_empty() {
            format!("the server answered with status {status} and no explanation")
        } else {
            format!("{said} (status {status})")
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

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's own input cannot be sent: a bad host, a header with a line break, a missing model name.
    InvalidRequest,
    /// No connection could be made. Nothing was sent.
    Connect,
    /// A secure connection could not be agreed on. Nothing was sent.
    Tls,
    /// The connection broke.
    ConnectionLost,
    /// The stream ended before its terminal record.
    Truncated,
    /// The server does not accept the request as it is (4xx).
    Rejected,
    /// A key is missing or refused (401, 403).
    Unauthorized,
    /// The model or path does not exist on the server (404).
    NotFound,
    /// The server is too busy (429, 503).
    Busy,
    /// The server said that it failed, by status or in the stream.
    Server,
    /// The server sent bytes that are not of its protocol.
    Protocol,
    /// A named limit was passed.
    Limit,
    /// The server redirects to where the request must not go.
    Redirect,
    /// A clock ran out.
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

/// Whose doing a failure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The program that made the request.
    Caller,
    /// The model server, by its own words or by ending early in good order.
    Server,
    /// The network between.
    Transport,
    /// What was received breaks the protocol or a limit on it.
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

/// The server's words in an error body: the `error` of a JSON object, the title of a page, else the start of the text.
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
        // An encoding that is not read here.
        Err(_) if body.iter().any(|byte| matches!(byte, 0..=8 | 14..=26)) => String::new(),
        Ok(_) | Err(_) => quote(body),
    }
}

/// The longest error that is looked for in an answer, in bytes.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// How deep the words of an error are looked for: servers wrap each other's.
const MAX_DEPTH: usize = 5;

/// The words of an `error` value, which servers send as a text, also one that is JSON again, or as an object with a
/// `message`, and where to sign in if the object around it says that.
pub(crate) fn message_in_error(error: &Json<'_>, around: &Json<'_>) -> String {
    let told = words(error, MAX_DEPTH).or_else(|| words(around.get("message")?, MAX_DEPTH));
    let message = told.unwrap_or_else(|| quote(error.to_value().to_string().as_bytes()));
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
