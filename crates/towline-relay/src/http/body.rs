//! The bodies of responses.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::HeaderValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep};
use towline::forward::ResponseBytes;

use crate::log::{Cursor, CursorRead, StreamLog};
use crate::meta::Framing;
use crate::registry::Reading;

/// The body of a response.
pub(crate) enum Body {
    /// The whole body; `None` once it was sent.
    Whole(Option<Bytes>),
    /// A growing log, from a position on.
    Live(Box<LiveBody>),
    /// A response that is passed through as it arrives.
    Passed(Box<PassedBody>),
    /// Pieces that a task makes.
    Pieces(mpsc::Receiver<Bytes>),
    /// An existing part of a log.
    Part(Box<Part>),
    /// A body that ends at once when its device is revoked.
    Revocable(Box<Revocable>),
}

/// A body, and a signal that revokes it.
pub(crate) struct Revocable {
    body: Body,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A part of a log, read piece by piece.
pub(crate) struct Part {
    cursor: Cursor,
    until: u64,
}

/// The reason why a body ends early: the connection is reset, so that no client takes the body for complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the stream cannot be read further: {0}")]
    Log(String),
    #[error("the model server's answer was cut")]
    Upstream,
    #[error("the device was revoked")]
    Revoked,
}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A log, read live.
pub(crate) struct LiveBody {
    cursor: Cursor,
    /// Holds the reader's slot until the body is dropped.
    reading: Reading,
    heartbeat: Option<Heartbeat>,
    trailers: bool,
    lag_bytes: u64,
    had_caught_up: bool,
    ended: bool,
}

struct Heartbeat {
    every: Duration,
    timer: Pin<Box<Sleep>>,
    framing: Framing,
    /// Whether a record has just ended, so that a heartbeat is harmless.
    at_boundary: bool,
}

/// A response that is passed through.
pub(crate) struct PassedBody {
    pub(crate) body: ResponseBytes,
    pub(crate) buffer: Vec<u8>,
    /// Whether the body was cut after the bytes in the buffer.
    pub(crate) is_cut: bool,
    pub(crate) lease: Option<crate::upstream::Lease>,
}

impl Heartbeat {
    fn sign(&self) -> &'static [u8] {
        match self.framing {
            Framing::Events => b": keep-alive\n\n",
            Framing::Lines => b"\n",
            Framing::Whole => b"",
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.at_boundary = match self.framing {
            Framing::Events => bytes.ends_with(b"\n\n") || bytes.ends_with(b"\n\r\n"),
            Framing::Lines => bytes.ends_with(b"\n"),
            Framing::Whole => false,
        };
        self.timer.as_mut().reset(Instant::now() + self.every);
    }
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Whole(None)
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }

    /// The bytes of a log from `position` to `until`, which must exist.
    pub(crate) fn part(log: Arc<StreamLog>, position: u64, until: u64) -> Self {
        Self::Part(Box::new(Part { cursor: Cursor::new(log, position), until }))
    }

    /// The same body, which ends when `revoked` becomes true. A complete body is not watched.
    pub(crate) fn until(self, mut revoked: watch::Receiver<bool>) -> Self {
        if matches!(self, Self::Whole(_)) {
            return self;
        }
        let revoked = Box::pin(async move {
            // If the sender is gone, the device was forgotten, which means the same.
            drop(revoked.wait_for(|revoked| *revoked).await);
        });
        Self::Revocable(Box::new(Revocable { body: self, revoked }))
    }

    pub(crate) fn live(reading: Reading, position: u64, trailers: bool, lag_bytes: u64) -> LiveBody {
        let cursor = Cursor::new(reading.entry.log.clone(), position);
        LiveBody { cursor, reading, heartbeat: None, trailers, lag_bytes, had_caught_up: false, ended: false }
    }
}

impl LiveBody {
    /// The same body, with a heartbeat after each such silence, and at once if the silence began before the
    /// body.
    pub(crate) fn with_heartbeat(mut self, every: Duration, framing: Framing, is_silent: bool) -> Self {
        let timer = Box::pin(tokio::time::sleep(if is_silent { Duration::ZERO } else { every }));
        self.heartbeat = Some(Heartbeat { every, timer, framing, at_boundary: true });
        self
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.had_caught_up && self.cursor.lag() > self.lag_bytes {
            tracing::debug!(stream = self.reading.entry.id.as_str(), "a lagging reader is disconnected");
            return self.end("towline-lagged");
        }
        match self.cursor.poll_read(cx) {
            Poll::Ready(CursorRead::Bytes(bytes)) => {
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.received(&bytes);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(CursorRead::Closed) => self.end("stream-closed"),
            Poll::Ready(CursorRead::Broken(broken)) => {
                self.ended = true;
                Poll::Ready(Some(Err(Cut::Log(broken.to_string()))))
            }
            Poll::Pending => {
                self.had_caught_up = true;
                let Some(heartbeat) = &mut self.heartbeat else { return Poll::Pending };
                ready!(heartbeat.timer.as_mut().poll(cx));
                heartbeat.timer.as_mut().reset(Instant::now() + heartbeat.every);
                // To be woken again.
                let _pending = heartbeat.timer.as_mut().poll(cx);
                if heartbeat.at_boundary {
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(heartbeat.sign())))));
                }
                Poll::Pending
            }
        }
    }

    fn end(&mut self, trailer: &'static str) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.ended = true;
        if !self.trailers {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(trailer, HeaderValue::from_static("true"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl Part {
    fn remaining(&self) -> u64 {
        self.until.saturating_sub(self.cursor.position())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let left = self.remaining();
        if left == 0 {
            return Poll::Ready(None);
        }
        match ready!(self.cursor.poll_read(cx)) {
            CursorRead::Bytes(mut bytes) => {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            CursorRead::Closed => Poll::Ready(None),
            CursorRead::Broken(broken) => Poll::Ready(Some(Err(Cut::Log(broken.to_string())))),
        }
    }
}

impl PassedBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.is_cut {
            return Poll::Ready(Some(Err(Cut::Upstream)));
        }
        self.is_cut = ready!(self.body.poll_read(cx, &mut self.buffer)).is_err();
        if !self.buffer.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.buffer).into()))));
        }
        if self.is_cut {
            return Poll::Ready(Some(Err(Cut::Upstream)));
        }
        drop(self.lease.take());
        Poll::Ready(None)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(live) => live.poll(cx),
            Self::Passed(passed) => passed.poll(cx),
            Self::Part(part) => part.poll(cx),
            Self::Revocable(revocable) => match revocable.revoked.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Cut::Revoked))),
                Poll::Pending => Pin::new(&mut revocable.body).poll_frame(cx),
            },
            Self::Pieces(pieces) => {
                pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Live(live) => live.ended,
            Self::Part(part) => part.remaining() == 0,
            Self::Revocable(revocable) => revocable.body.is_end_stream(),
            Self::Passed(_) | Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Part(part) => SizeHint::with_exact(part.remaining()),
            Self::Revocable(revocable) => revocable.body.size_hint(),
            Self::Live(_) | Self::Passed(_) | Self::Pieces(_) => SizeHint::default(),
        }
    }
}
