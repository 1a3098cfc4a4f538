//! Errors below the level of responses.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use towline_core::endpoint::Endpoint;
use towline_core::http1::{BodyError, HeadError, InvalidRequest};

/// A failure of the transport: what was attempted, what went wrong, and whether the server may have seen the
/// request.
///
/// Shows `scheme://host:port` at most: no path, no query, no credentials.
#[derive(Debug)]
pub(crate) struct TransportError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    sent: Sent,
    peer: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whether the server may have acted on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// No byte of the request reached the server, or the server said that it did not process the request. It
    /// is safe to repeat.
    Nothing,
    /// The server may have processed the request, in whole or in part.
    Maybe,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The host name has no address.
    Resolve,
    /// Nothing listens there.
    Refused,
    /// The connection failed for another reason.
    ConnectFailed,
    /// The TLS handshake failed or a TLS record was invalid; the text says what to do, if that is known.
    Tls(String),
    /// The proxy could not be reached, or refused to connect.
    Proxy(String),
    /// The peer reset the connection or the stream.
    Reset,
    /// The peer closed before the head of the response was complete.
    Closed,
    /// The peer closed in the middle of the body.
    Incomplete,
    /// The peer violated the protocol.
    Protocol(String),
    /// A limit was exceeded.
    Limit { name: &'static str, value: usize },
    /// A redirect that is not followed; the text names both addresses.
    Redirect(String),
    /// The request cannot be written, or its body could not be read.
    InvalidRequest(String),
    /// The configuration cannot be used.
    Config(String),
    /// Another error of the operating system; see the source.
    Io,
}

impl TransportError {
    pub(super) fn new(kind: ErrorKind, sent: Sent, endpoint: &Endpoint) -> Self {
        Self(Box::new(Inner { kind, sent, peer: endpoint.to_string(), source: None }))
    }

    pub(super) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// An error of the socket after the connection was established.
    pub(super) fn socket(error: io::Error, sent: Sent, endpoint: &Endpoint) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
        let io_kind = error.kind();
        let kind = if matches!(io_kind, ConnectionReset | ConnectionAborted | BrokenPipe) {
            ErrorKind::Reset
        } else if io_kind == UnexpectedEof {
            // TLS ended without its closing record: anyone on the path may have cut off the end.
            ErrorKind::Incomplete
        } else if io_kind == InvalidData {
            ErrorKind::Tls(error.to_string())
        } else {
            ErrorKind::Io
        };
        Self::new(kind, sent, endpoint).because(error)
    }

    pub(super) fn head(error: HeadError, endpoint: &Endpoint) -> Self {
        let kind = match &error {
            HeadError::Limit { name, value } => ErrorKind::Limit { name, value: *value },
            HeadError::Tls
            | HeadError::Http2
            | HeadError::NotHttp { .. }
            | HeadError::Malformed { .. }
            | HeadError::ContentLength
            | HeadError::TransferEncoding
            | HeadError::SwitchingProtocols => ErrorKind::Protocol(error.to_string()),
        };
        Self::new(kind, Sent::Maybe, endpoint)
    }

    pub(super) fn body(error: BodyError, endpoint: &Endpoint) -> Self {
        use towline_core::http1::{CHUNK_LINE_BYTES, TRAILER_BYTES};
        let kind = match error {
            BodyError::Incomplete => ErrorKind::Incomplete,
            BodyError::ChunkLine => ErrorKind::Limit { name: "CHUNK_LINE_BYTES", value: CHUNK_LINE_BYTES },
            BodyError::Trailer => ErrorKind::Limit { name: "TRAILER_BYTES", value: TRAILER_BYTES },
            BodyError::ChunkSize | BodyError::ChunkSizeOverflow | BodyError::LineEnd => {
                ErrorKind::Protocol(error.to_string())
            }
        };
        Self::new(kind, Sent::Maybe, endpoint)
    }

    pub(super) fn request(error: InvalidRequest, endpoint: &Endpoint) -> Self {
        Self::new(ErrorKind::InvalidRequest(error.to_string()), Sent::Nothing, endpoint)
    }

    pub(crate) fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether the request can be repeated without the risk of running it twice.
    pub(crate) fn sent(&self) -> Sent {
        self.0.sent
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = &self.0.peer;
        match &self.0.kind {
            ErrorKind::Resolve => write!(f, "the host name of {peer} cannot be resolved"),
            ErrorKind::Refused => write!(f, "{peer} refused the connection"),
            ErrorKind::ConnectFailed => write!(f, "cannot connect to {peer}"),
            ErrorKind::Tls(what) => write!(f, "TLS with {peer} failed: {what}"),
            ErrorKind::Proxy(what) => write!(f, "cannot reach {peer} through the proxy: {what}"),
            ErrorKind::Reset => write!(f, "{peer} reset the connection"),
            ErrorKind::Closed => write!(f, "{peer} closed the connection before it answered"),
            ErrorKind::Incomplete => write!(f, "{peer} closed the connection in the middle of its answer"),
            ErrorKind::Protocol(what) => write!(f, "{peer} broke the protocol: {what}"),
            ErrorKind::Limit { name, value } => {
                write!(f, "the answer of {peer} exceeds the limit {name} = {value}")
            }
            ErrorKind::Redirect(what) => write!(f, "{peer} redirects, which is not followed: {what}"),
            ErrorKind::InvalidRequest(what) => write!(f, "the request to {peer} cannot be sent: {what}"),
            ErrorKind::Config(what) => write!(f, "{peer} cannot be connected to: {what}"),
            ErrorKind::Io => write!(f, "the connection to {peer} failed"),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
