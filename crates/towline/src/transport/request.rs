//! Requests and responses.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::AsyncRead;
use towline_core::http1::{Headers, Method, RequestFraming};

use super::body::ResponseBody;

/// A request, without the address of its server.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query below the endpoint's base path; starts with `/`.
    pub(crate) path: String,
    /// `Host`, `Content-Length` and `Accept-Encoding` are added by the transport.
    pub(crate) headers: Headers,
    pub(crate) body: RequestBody,
    /// Whether to accept a gzip response. Compressed responses are always decoded.
    pub(crate) accept_gzip: bool,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Headers::new(),
            body: RequestBody::Empty,
            accept_gzip: false,
        }
    }

    /// A copy of the request, without a streamed body.
    pub(super) fn without_stream(&self) -> Self {
        let body = match &self.body {
            RequestBody::Empty => RequestBody::Empty,
            RequestBody::Bytes(bytes) => RequestBody::Bytes(bytes.clone()),
            RequestBody::Stream { len_bytes, .. } => {
                RequestBody::Stream { len_bytes: *len_bytes, reader: Box::pin(tokio::io::empty()) }
            }
            RequestBody::StreamToEnd(_) => RequestBody::StreamToEnd(Box::pin(tokio::io::empty())),
        };
        let Self { method, path, headers, accept_gzip, .. } = self;
        Self {
            method: *method,
            path: path.clone(),
            headers: headers.clone(),
            body,
            accept_gzip: *accept_gzip,
        }
    }

    /// Whether the whole request is in memory, so that it can be sent again.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self.body, RequestBody::Stream { .. } | RequestBody::StreamToEnd(_))
    }
}

pub(crate) enum RequestBody {
    Empty,
    Bytes(Bytes),
    /// Exactly `len_bytes` bytes from `reader`; fewer are an error. It cannot be sent twice.
    Stream {
        len_bytes: u64,
        reader: Pin<Box<dyn AsyncRead + Send>>,
    },
    /// All bytes of `reader`, up to its end. It cannot be sent twice.
    StreamToEnd(Pin<Box<dyn AsyncRead + Send>>),
}

impl RequestBody {
    pub(super) fn framing(&self) -> RequestFraming {
        match self {
            Self::Empty => RequestFraming::Empty,
            Self::Bytes(bytes) => RequestFraming::Length(bytes.len() as u64),
            Self::Stream { len_bytes, .. } => RequestFraming::Length(*len_bytes),
            Self::StreamToEnd(_) => RequestFraming::Chunked,
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { len_bytes, .. } => write!(f, "Stream({len_bytes})"),
            Self::StreamToEnd(_) => f.write_str("StreamToEnd"),
        }
    }
}

/// A response: its head, and the body still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    /// Dropping it before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), at once.
    pub(crate) body: ResponseBody,
}
