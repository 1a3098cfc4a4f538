//! Forwards requests unchanged: for a proxy in front of a model server, not for programs that ask questions.
//!
//! The caller receives the head and the body bytes of the response and interprets them, for example with
//! `towline_core::stream::Lifecycle`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncRead;
use towline_core::error::Error;
pub use towline_core::http1::Headers;
use towline_core::http1::Method;
pub use towline_core::stream::BodyEnd;

use crate::failure;
use crate::handle::Client;
use crate::transport::{Connection, Read, RequestBody, ResponseBody};

/// A request to forward. `Host` and `Content-Length` follow from the address and the body; do not set them.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, starting with `/`.
    pub target: String,
    /// The headers. The client's own headers, including its key, replace headers of the same name.
    pub headers: Headers,
    /// Its body.
    pub body: Body,
}

/// The body of a request.
pub enum Body {
    /// All of it.
    Bytes(Bytes),
    /// The content of a reader, which is read while it is sent.
    Reader {
        /// The length in bytes; exactly this many are read. `None` reads to the end, and uses chunked
        /// encoding over HTTP/1.1.
        len_bytes: Option<u64>,
        /// The source of the body.
        reader: Pin<Box<dyn AsyncRead + Send>>,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Reader { len_bytes: Some(len_bytes), .. } => write!(f, "Reader({len_bytes})"),
            Self::Reader { len_bytes: None, .. } => f.write_str("Reader"),
        }
    }
}

/// A connection that is ready for one request. Dropping it returns the connection unused.
#[derive(Debug)]
pub struct Ready {
    client: Client,
    connection: Connection,
}

/// A response: its head, and the body still to be read.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers as they came.
    pub headers: Headers,
    /// The body.
    pub body: ResponseBytes,
}

/// The body of a response. Reads happen only when it is polled: unread bytes stay with the server.
///
/// Dropping it before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), at once.
#[derive(Debug)]
pub struct ResponseBytes(ResponseBody);

impl Client {
    /// A connection to the server, new or from the pool.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the attempt; nothing was sent.
    ///
    /// # Errors
    /// If no connection can be made.
    pub async fn ready(&self) -> Result<Ready, Error> {
        let connection = self.connect().await;
        let connection = connection.map_err(|error| failure::error(&error))?;
        Ok(Ready { client: self.clone(), connection })
    }
}

impl Ready {
    /// Sends the request and waits for the head of its response, with any status. No time limit applies.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection or resets the stream; the server may have processed the request.
    ///
    /// # Errors
    /// If the connection breaks or the response is not HTTP. [`Error::may_have_had_effect`] says whether the
    /// request can be retried.
    pub async fn send(self, request: Request) -> Result<Response, Error> {
        let body = match request.body {
            Body::Bytes(bytes) if bytes.is_empty() => RequestBody::Empty,
            Body::Bytes(bytes) => RequestBody::Bytes(bytes),
            Body::Reader { len_bytes: Some(len_bytes), reader } => RequestBody::Stream { len_bytes, reader },
            Body::Reader { len_bytes: None, reader } => RequestBody::StreamToEnd(reader),
        };
        let mut passed = self.client.request(request.method, &request.target, body, &[]);
        for (name, value) in request.headers.iter() {
            if !passed.headers.contains(name) || name.eq_ignore_ascii_case("cookie") {
                passed.headers.push(name, value);
            }
        }
        let response = self.connection.send(passed).await.map_err(|error| failure::error(&error))?;
        Ok(Response {
            status: response.status,
            headers: response.headers,
            body: ResponseBytes(response.body),
        })
    }
}

impl ResponseBytes {
    /// Appends the bytes that have arrived to `out` and returns their number; 0 at the end of the body,
    /// pending if nothing has arrived. Reads at most 64 KiB at a time (a compressed body may yield twice as
    /// much).
    ///
    /// # Cancel safety
    /// All bytes that were read are in `out` when this returns, so no byte is lost if the caller stops
    /// polling.
    ///
    /// # Errors
    /// The reason why the body ended before it was complete. The call that returns the error may have
    /// appended bytes.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<usize, BodyEnd>> {
        self.0.poll_read(cx, out).map(|read| match read {
            Ok(Read::Bytes(count)) => Ok(count),
            Ok(Read::End) => Ok(0),
            Err(error) => Err(failure::body_end(&error)),
        })
    }
}
