//! Many requests on one HTTP/2 connection.
//!
//! A task per connection moves frames; it is the only task the transport spawns. Streams are polled by their readers:
//! each poll takes all frames that have arrived, so no short frame is left to be charged against the connection.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use tokio::sync::watch;
use towline_core::endpoint::{Endpoint, Scheme};
use towline_core::http1::{HeadLimits, Headers};

use super::body::Read;
use super::config::Http2Config;
use super::error::{ErrorKind, Sent, TransportError};
use super::http2_driver::Driver;
use super::pool::Origin;
use super::read_buffer::READ_BYTES;
use super::request::{Request, RequestBody};
use super::socket::Socket;
use super::upload::BodyReader;

/// An open connection, shared by its streams.
#[derive(Clone)]
pub(super) struct Http2 {
    requests: SendRequest<Bytes>,
    active: Arc<AtomicUsize>,
    max_streams: usize,
    /// True once the server's settings have arrived; closed once the connection is.
    has_settings: watch::Receiver<bool>,
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").field("active", &self.active).finish_non_exhaustive()
    }
}

/// A stream's slot on its connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct StreamSlot(Arc<AtomicUsize>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Http2 {
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`].
    pub(super) async fn open(
        socket: Socket,
        config: &Http2Config,
        limits: HeadLimits,
        endpoint: &Endpoint,
    ) -> Result<Self, TransportError> {
        let handshake = h2::client::Builder::new()
            .initial_window_size(config.stream_window_bytes)
            .initial_connection_window_size(config.connection_window_bytes)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .enable_push(false)
            // Frames of a reset stream may still arrive for a round trip. h2 ignores those of the latest
            // resets. Each frame of an earlier reset counts as our error, and h2 accepts 1,024 of these per
            // connection (its default) before it ends the connection with all its streams.
            .max_concurrent_reset_streams(config.max_streams_per_connection.max(1))
            .max_local_error_reset_streams(None)
            .handshake::<_, Bytes>(socket);
        let (requests, connection) = handshake.await.map_err(|error| fail(error, Stage::Head, endpoint))?;
        let (has_settings, watch) = watch::channel(false);
        let driver = Driver::new(connection, has_settings, config);
        #[expect(
            clippy::disallowed_methods,
            reason = "the streams of a connection need one task to move its frames"
        )]
        drop(tokio::spawn(driver.run()));
        Ok(Self {
            requests,
            active: Arc::default(),
            max_streams: config.max_streams_per_connection.max(1),
            has_settings: watch,
        })
    }

    /// Whether new requests are accepted: the connection is open, and no GOAWAY has arrived.
    pub(super) fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.has_settings.has_changed().is_ok()
            && !matches!(self.requests.poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams() == 0
    }

    /// Number of streams that have a slot.
    pub(super) fn streams(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// A slot for one more stream, if there is one.
    pub(super) fn slot(&self) -> Option<StreamSlot> {
        self.slot_within(self.max_streams)
    }

    /// A slot beyond the preferred number of streams on one connection, as far as the server allows.
    pub(super) fn slot_beyond_preferred(&self) -> Option<StreamSlot> {
        self.slot_within(usize::MAX)
    }

    fn slot_within(&self, most: usize) -> Option<StreamSlot> {
        // Before the server's settings arrive, only one stream is certain to be allowed.
        let allowed = if *self.has_settings.borrow() { self.requests.current_max_send_streams() } else { 1 };
        let allowed = allowed.min(most);
        let add = |active| (active < allowed).then_some(active + 1);
        self.active.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(StreamSlot(Arc::clone(&self.active)))
    }

    /// A receiver for the server's settings, if they have not arrived yet.
    pub(super) fn awaiting_settings(&self) -> Option<watch::Receiver<bool>> {
        (!*self.has_settings.borrow()).then(|| self.has_settings.clone())
    }
}

/// A request on its way, and the head of its response.
pub(super) struct Http2Exchange {
    response: ResponseFuture,
    upload: Option<Box<Upload>>,
    /// Passed on to the body.
    slot: Option<StreamSlot>,
    most_headers: usize,
    origin: Arc<Origin>,
}

impl Http2Exchange {
    /// Queues the request on its connection.
    ///
    /// # Errors
    ///
    /// [`TransportError`] with [`Sent::Nothing`]; the connection stays.
    pub(super) fn new(
        mut connection: Http2,
        slot: StreamSlot,
        origin: Arc<Origin>,
        endpoint: &Endpoint,
        request: Request,
        limits: HeadLimits,
    ) -> Result<Self, TransportError> {
        let (head, body) = head(endpoint, request)?;
        let at_once = matches!(body, RequestBody::Empty);
        let (response, mut stream) = connection
            .requests
            .send_request(head, at_once)
            .map_err(|error| fail(error, Stage::Unsent, endpoint))?;
        let upload = match body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => {
                // The bytes are already in memory, so the connection can queue them at no extra cost.
                stream.send_data(bytes, true).map_err(|error| fail(error, Stage::Head, endpoint))?;
                None
            }
            RequestBody::Stream { len_bytes, reader } => {
                Some(Box::new(Upload { stream, body: BodyReader::new(len_bytes, reader) }))
            }
            RequestBody::StreamToEnd(reader) => {
                Some(Box::new(Upload { stream, body: BodyReader::to_end(reader) }))
            }
        };
        Ok(Self { response, upload, slot: Some(slot), most_headers: limits.headers, origin })
    }

    /// Waits for the head of the response while the body of the request is sent. Dropping it before it is ready resets
    /// the stream; the server may have processed the request.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; the stream is reset, the connection stays.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(u16, Headers, Http2Body), TransportError>> {
        let peer = &self.origin.endpoint;
        let answered = ready!(poll_response(cx, &mut self.response, &mut self.upload, peer));
        let (head, stream) = answered?.into_parts();
        if head.headers.len() > self.most_headers {
            let kind = ErrorKind::Limit { name: "headers", value: self.most_headers };
            return Poll::Ready(Err(TransportError::new(kind, Sent::Maybe, peer)));
        }
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let status = head.status.as_u16();
        let upload = self.upload.take().filter(|_| status < 300);
        let (slot, origin) = (self.slot.take(), Arc::clone(&self.origin));
        let body = Http2Body { stream, upload, slot, trailers: Headers::new(), origin };
        Poll::Ready(Ok((status, headers, body)))
    }
}

fn head(endpoint: &Endpoint, request: Request) -> Result<(http::Request<()>, RequestBody), TransportError> {
    // The same bytes are refused on both protocols.
    let target = endpoint.target(&request.path);
    let framing = request.body.framing();
    towline_core::http1::encode_request(request.method, &target, &request.headers, framing)
        .map_err(|error| TransportError::request(error, endpoint))?;

    let scheme = match &endpoint.scheme {
        Scheme::Https => "https",
        Scheme::Http | Scheme::Unix(_) => "http",
    };
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{scheme}://{}{target}", endpoint.authority()))
        .version(http::Version::HTTP_2)
        // The bytes were already read, so they can also be sent.
        .header(http::header::TE, "trailers");
    for (name, value) in request.headers.iter() {
        head = head.header(name, value);
    }
    if request.accept_gzip {
        head = head.header(http::header::ACCEPT_ENCODING, "gzip");
    }
    match &request.body {
        RequestBody::Empty | RequestBody::StreamToEnd(_) => {}
        RequestBody::Bytes(bytes) => head = head.header(http::header::CONTENT_LENGTH, bytes.len()),
        RequestBody::Stream { len_bytes, .. } => head = head.header(http::header::CONTENT_LENGTH, *len_bytes),
    }
    let head = head.body(()).map_err(|error| {
        TransportError::new(ErrorKind::InvalidRequest(error.to_string()), Sent::Nothing, endpoint)
    })?;
    Ok((head, request.body))
}

fn poll_response(
    cx: &mut Context<'_>,
    response: &mut ResponseFuture,
    upload: &mut Option<Box<Upload>>,
    endpoint: &Endpoint,
) -> Poll<Result<http::Response<RecvStream>, TransportError>> {
    if let Some(sending) = upload {
        match sending.poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => *upload = None,
            Poll::Ready(Err(error)) => {
                sending.stream.send_reset(Reason::CANCEL);
                let kind = ErrorKind::InvalidRequest(error.to_string());
                return Poll::Ready(Err(TransportError::new(kind, Sent::Maybe, endpoint).because(error)));
            }
        }
    }
    std::pin::Pin::new(response).poll(cx).map_err(|error| fail(error, Stage::Head, endpoint))
}

/// A streamed request body on its way out.
struct Upload {
    stream: SendStream<Bytes>,
    body: BodyReader,
}

impl Upload {
    /// Sends as much as the windows allow; ready when all is sent, or the server wants no more. The reader
    /// gets the errors.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(piece) = ready!(self.body.poll_piece(cx))? else {
                // Only an empty body, or one of unknown length, ends without a last piece.
                drop(self.stream.send_data(Bytes::new(), true));
                return Poll::Ready(Ok(()));
            };
            self.stream.reserve_capacity(piece.len());
            while self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    // The response, or the reset that comes in its place, says why.
                    Some(Err(_)) | None => return Poll::Ready(Ok(())),
                }
            }
            let part = piece.split_to(piece.len().min(self.stream.capacity()));
            let last = self.body.is_done();
            if self.stream.send_data(part, last).is_err() || last {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// The body of a response.
pub(super) struct Http2Body {
    stream: RecvStream,
    upload: Option<Box<Upload>>,
    /// Given back at the end.
    slot: Option<StreamSlot>,
    /// What came behind the body.
    trailers: Headers,
    origin: Arc<Origin>,
}

impl Http2Body {
    /// The trailers, once the body is complete.
    pub(super) fn trailers(&self) -> &Headers {
        &self.trailers
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// See [`ResponseBody::poll_read`](super::body::ResponseBody::poll_read).
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(ended) = upload.poll(cx)
        {
            self.upload = None;
            if let Err(error) = ended {
                let kind = ErrorKind::InvalidRequest(error.to_string());
                let error = TransportError::new(kind, Sent::Maybe, &self.origin.endpoint).because(error);
                return Poll::Ready(Err(error));
            }
        }
        let before = out.len();
        // One frame may exceed the limit; a frame is at most 16 KiB.
        while out.len() - before <= READ_BYTES - MAX_FRAME_BYTES {
            match self.stream.poll_data(cx) {
                Poll::Pending if out.len() == before => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(data))) => out.extend_from_slice(&data),
                // Kept by the stream: the next poll reports it again.
                Poll::Ready(Some(Err(_)) | None) if out.len() > before => break,
                Poll::Ready(None) => {
                    // The trailers arrive with the end of the stream, so this does not wait.
                    if let Ok(Some(trailers)) = ready!(self.stream.poll_trailers(cx)) {
                        let bytes = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                        self.trailers = bytes.collect();
                    }
                    self.slot = None;
                    return Poll::Ready(Ok(Read::End));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.slot = None;
                    return Poll::Ready(Err(fail(error, Stage::Body, &self.origin.endpoint)));
                }
            }
        }
        let count = out.len() - before;
        // Called once for all frames, because it locks the connection. It fails only on a stream that is
        // gone, which the next poll reports.
        drop(self.stream.flow_control().release_capacity(count));
        Poll::Ready(Ok(Read::Bytes(count)))
    }
}

/// The largest frame that this side accepts; h2's default.
const MAX_FRAME_BYTES: usize = 16 * 1024;

impl fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Body").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before any frame of the request was queued.
    Unsent,
    Head,
    Body,
}

fn fail(error: h2::Error, stage: Stage, endpoint: &Endpoint) -> TransportError {
    let remote = error.is_remote();
    let reason = error.reason();
    // The server says that it has not processed the stream and will not.
    let unprocessed = remote
        && stage != Stage::Body
        && ((error.is_reset() && reason == Some(Reason::REFUSED_STREAM))
            || (error.is_go_away() && reason == Some(Reason::NO_ERROR)));
    let sent = if unprocessed || stage == Stage::Unsent { Sent::Nothing } else { Sent::Maybe };
    let kind = match error.get_io() {
        Some(io) if io.kind() == io::ErrorKind::ConnectionReset => ErrorKind::Reset,
        Some(_) if stage == Stage::Body => ErrorKind::Incomplete,
        Some(_) => ErrorKind::Closed,
        None if remote && error.is_go_away() && stage != Stage::Body => ErrorKind::Closed,
        None if remote => ErrorKind::Reset,
        None => ErrorKind::Protocol(error.to_string()),
    };
    TransportError::new(kind, sent, endpoint).because(error)
}
