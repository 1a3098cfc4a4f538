//! Translates transport failures into errors for the caller.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Headers;
use towline_core::stream::BodyEnd;

use crate::transport::{self, Sent, TransportError};

/// The error for the caller.
pub(crate) fn error(error: &TransportError) -> Error {
    let (kind, fault) = match error.kind() {
        transport::ErrorKind::Resolve
        | transport::ErrorKind::Refused
        | transport::ErrorKind::ConnectFailed
        | transport::ErrorKind::Proxy(_) => (ErrorKind::Connect, Fault::Transport),
        transport::ErrorKind::Tls(_) => (ErrorKind::Tls, Fault::Transport),
        transport::ErrorKind::Reset
        | transport::ErrorKind::Closed
        | transport::ErrorKind::Incomplete
        | transport::ErrorKind::Io => (ErrorKind::ConnectionLost, Fault::Transport),
        transport::ErrorKind::Protocol(_) => (ErrorKind::Protocol, Fault::Protocol),
        transport::ErrorKind::Limit { .. } => (ErrorKind::Limit, Fault::Protocol),
        transport::ErrorKind::Redirect(_) => (ErrorKind::Redirect, Fault::Server),
        transport::ErrorKind::InvalidRequest(_) | transport::ErrorKind::Config(_) => {
            (ErrorKind::InvalidRequest, Fault::Caller)
        }
    };
    let mut message = error.to_string();
    if let Some(source) = error.source() {
        let cause = source.to_string();
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    Error::new(kind, fault, message).with_effect(error.sent() == Sent::Maybe)
}

/// The end of a body that ended with `failure`.
pub(crate) fn body_end(failure: &TransportError) -> BodyEnd {
    match failure.kind() {
        transport::ErrorKind::Incomplete => BodyEnd::Cut,
        transport::ErrorKind::Resolve
        | transport::ErrorKind::Refused
        | transport::ErrorKind::ConnectFailed
        | transport::ErrorKind::Proxy(_)
        | transport::ErrorKind::Tls(_)
        | transport::ErrorKind::Reset
        | transport::ErrorKind::Closed
        | transport::ErrorKind::Io
        | transport::ErrorKind::Protocol(_)
        | transport::ErrorKind::Limit { .. }
        | transport::ErrorKind::Redirect(_)
        | transport::ErrorKind::InvalidRequest(_)
        | transport::ErrorKind::Config(_) => BodyEnd::Broken(error(failure)),
    }
}

/// The wait that `Retry-After` asks for: a number of seconds, or a date, which is relative to the response's
/// own `Date`, so this machine's clock does not have to be right.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    let text = headers.get("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let sent = headers.get("date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(at.duration_since(sent.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}
