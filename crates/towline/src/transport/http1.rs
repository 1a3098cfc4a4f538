//! One request and its response on an HTTP/1.1 connection.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use towline_core::endpoint::Endpoint;
use towline_core::http1::{BodyDecoder, HeadLimits, HeadParser, Headers, ResponseHead, encode_request};

use super::body::Read;
use super::error::{ErrorKind, Sent, TransportError};
use super::pool::{Link, Origin, Pool};
use super::read_buffer::poll_read_with;
use super::request::Request;
use super::upload::{Upload, UploadError};

/// A request on its way, and the head of its response as far as it has arrived.
pub(super) struct Http1Exchange {
    /// Gone once the head is complete.
    link: Option<Link>,
    upload: Option<Upload>,
    upload_failed: Option<(io::Error, Sent)>,
    parser: HeadParser,
    origin: Arc<Origin>,
    pool: Arc<Pool>,
}

impl Http1Exchange {
    /// On a connection that was just made or just taken from the pool. Nothing is sent before the first poll.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`].
    pub(super) fn new(
        link: Link,
        origin: Arc<Origin>,
        pool: Arc<Pool>,
        endpoint: &Endpoint,
        request: Request,
        limits: HeadLimits,
    ) -> Result<Self, TransportError> {
        let head = encode_head(&link, endpoint, &request)?;
        Ok(Self {
            link: Some(link),
            upload: Some(Upload::new(head, request.body)),
            upload_failed: None,
            parser: HeadParser::new(request.method, limits),
            origin,
            pool,
        })
    }

    /// Sends the request and reads the head of its response at the same time, so an early answer is seen. Dropping it
    /// before it is ready closes the connection; the server may have processed the request.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; the connection is closed.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, Http1Body), TransportError>> {
        let Some(link) = &mut self.link else { return Poll::Pending };
        let (upload, failed, peer) = (&mut self.upload, &mut self.upload_failed, &self.origin.endpoint);
        let received = ready!(poll_head(cx, link, upload, failed, &mut self.parser, peer));
        let link = self.link.take();
        let (head, unread) = received?;

        // After a refusal, the rest of the body is not needed; other responses may still need all of it.
        let unsent = self.upload.take().filter(|_| head.status < 300 && self.upload_failed.is_none());
        let mut body = Http1Body {
            decoder: BodyDecoder::new(head.framing),
            keep_alive: head.keep_alive && self.upload_failed.is_none(),
            link,
            unread,
            upload: unsent.map(Box::new),
            origin: Arc::clone(&self.origin),
            pool: Arc::clone(&self.pool),
        };
        if body.decoder.is_complete() {
            body.release();
        }
        Poll::Ready(Ok((head, body)))
    }
}

fn encode_head(link: &Link, endpoint: &Endpoint, request: &Request) -> Result<Vec<u8>, TransportError> {
    let authority = endpoint.authority();
    let mut target = endpoint.target(&request.path);
    let mut headers = Headers::new();
    headers.push("Host", &authority);
    if let Some(forward) = &link.forward {
        target.insert_str(0, &format!("http://{authority}"));
        if let Some(authorization) = forward.authorization() {
            headers.push("Proxy-Authorization", authorization);
        }
    }
    if request.accept_gzip {
        headers.push("Accept-Encoding", "gzip");
    }
    for (name, value) in request.headers.iter() {
        headers.push(name, value);
    }
    encode_request(request.method, &target, &headers, request.body.framing())
        .map_err(|error| TransportError::request(error, endpoint))
}

type Head = (ResponseHead, Vec<u8>);

/// Writes as much as possible and reads the bytes that have arrived, until the head is complete.
fn poll_head(
    cx: &mut Context<'_>,
    link: &mut Link,
    upload: &mut Option<Upload>,
    upload_failed: &mut Option<(io::Error, Sent)>,
    parser: &mut HeadParser,
    peer: &Endpoint,
) -> Poll<Result<Head, TransportError>> {
    if let Some(sending) = upload {
        let sent = if sending.was_begun() { Sent::Maybe } else { Sent::Nothing };
        match sending.poll(cx, &mut link.socket) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => *upload = None,
            // The server may have answered before it closed: check for the answer first.
            Poll::Ready(Err(UploadError::Socket(error))) => {
                *upload_failed = Some((error, sent));
                *upload = None;
            }
            Poll::Ready(Err(UploadError::Body(error))) => {
                return Poll::Ready(Err(unreadable(error, peer)));
            }
        }
    }
    loop {
        let read = ready!(poll_read_with(&mut link.socket, cx, |bytes| {
            if bytes.is_empty() {
                return Ok(Received::Eof);
            }
            let complete = parser.push(bytes)?;
            Ok(complete.map_or(Received::Part, |(head, used)| {
                Received::Head(Box::new((head, bytes[used..].to_vec())))
            }))
        }));
        let failed = match read {
            Ok(Ok(Received::Head(head))) => return Poll::Ready(Ok(*head)),
            Ok(Ok(Received::Part)) => continue,
            Ok(Ok(Received::Eof)) => None,
            Ok(Err(error)) => return Poll::Ready(Err(TransportError::head(error, peer))),
            Err(error) => Some(error),
        };
        return Poll::Ready(Err(match (upload_failed.take(), failed) {
            (Some((error, sent)), _) => TransportError::socket(error, sent, peer),
            (None, Some(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                TransportError::socket(error, Sent::Maybe, peer)
            }
            (None, _) => TransportError::new(ErrorKind::Closed, Sent::Maybe, peer),
        }));
    }
}

fn unreadable(error: io::Error, peer: &Endpoint) -> TransportError {
    let kind = ErrorKind::InvalidRequest(error.to_string());
    TransportError::new(kind, Sent::Maybe, peer).because(error)
}

enum Received {
    Part,
    Head(Box<Head>),
    Eof,
}

/// The body of a response, and the connection it comes on.
pub(super) struct Http1Body {
    /// Gone once the body is complete.
    link: Option<Link>,
    decoder: BodyDecoder,
    /// Bytes that arrived with the head.
    unread: Vec<u8>,
    keep_alive: bool,
    /// The rest of a request that was answered before it was sent completely.
    upload: Option<Box<Upload>>,
    origin: Arc<Origin>,
    pool: Arc<Pool>,
}

impl Http1Body {
    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// See [`ResponseBody::poll_read`](super::body::ResponseBody::poll_read).
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        let before = out.len();
        if !self.unread.is_empty() && !self.decoder.is_complete() {
            let unread = std::mem::take(&mut self.unread);
            match self.decoder.push(&unread, out) {
                Ok(decoded) => self.keep_alive &= decoded.consumed == unread.len(),
                Err(error) => {
                    return Poll::Ready(Err(self.fail(TransportError::body(error, &self.origin.endpoint))));
                }
            }
        }
        while out.len() == before && !self.decoder.is_complete() {
            let Some(link) = &mut self.link else {
                let error = TransportError::new(ErrorKind::Closed, Sent::Maybe, &self.origin.endpoint);
                return Poll::Ready(Err(error));
            };
            if let Some(upload) = &mut self.upload {
                match upload.poll(cx, &mut link.socket) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => self.upload = None,
                    // The answer counts, not how much of the request the server read.
                    Poll::Ready(Err(UploadError::Socket(_))) => {
                        self.upload = None;
                        self.keep_alive = false;
                    }
                    Poll::Ready(Err(UploadError::Body(error))) => {
                        let error = unreadable(error, &self.origin.endpoint);
                        return Poll::Ready(Err(self.fail(error)));
                    }
                }
            }
            let decoder = &mut self.decoder;
            let read = ready!(poll_read_with(&mut link.socket, cx, |bytes| {
                if bytes.is_empty() {
                    decoder.finish()?;
                    return Ok(false);
                }
                decoder.push(bytes, out).map(|decoded| decoded.consumed == bytes.len())
            }));
            match read {
                Ok(Ok(nothing_left)) => self.keep_alive &= nothing_left,
                // Bytes that were decoded before the error stay in `out`.
                Ok(Err(error)) => {
                    return Poll::Ready(Err(self.fail(TransportError::body(error, &self.origin.endpoint))));
                }
                Err(error) => {
                    let error = TransportError::socket(error, Sent::Maybe, &self.origin.endpoint);
                    return Poll::Ready(Err(self.fail(error)));
                }
            }
        }
        if self.decoder.is_complete() {
            self.release();
        }
        Poll::Ready(Ok(match out.len() - before {
            0 => Read::End,
            bytes => Read::Bytes(bytes),
        }))
    }

    /// Gives the connection back to the pool, or closes it.
    fn release(&mut self) {
        if let Some(link) = self.link.take()
            && self.keep_alive
            && self.unread.is_empty()
            && self.upload.is_none()
        {
            self.pool.check_in(&self.origin, link);
        }
        self.upload = None;
    }

    fn fail(&mut self, error: TransportError) -> TransportError {
        self.link = None;
        self.upload = None;
        error
    }
}

impl fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Body").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}
