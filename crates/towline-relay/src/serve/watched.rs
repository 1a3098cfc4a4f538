//! A connection's socket, and its activity.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::{Answer, Body, Cut};

/// A client that has shut down its sending side may still want its answer. Only the fate of the bytes that it
/// is sent distinguishes it from one that is gone; this long after the last of them, it counts as gone.
const HALF_CLOSED: Duration = Duration::from_secs(1);
/// How long a client may accept no bytes.
const STUCK: Duration = Duration::from_secs(300);

/// The activity of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: AtomicU64,
    in_flight: AtomicUsize,
    changed: Notify,
}

/// A request in flight. Dropping it marks it as done.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        InFlight(Arc::clone(self))
    }

    /// Whether a request has arrived yet.
    pub(super) fn has_begun(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Waits until the connection was idle for this time.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            while !self.is_idle() {
                self.changed.notified().await;
            }
            let requests = self.requests.load(Ordering::Relaxed);
            tokio::select! {
                () = tokio::time::sleep(time) => {
                    if self.is_idle() && self.requests.load(Ordering::Relaxed) == requests {
                        return;
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

/// A body that keeps its request in flight.
pub(super) struct Answering {
    body: Body,
    _in_flight: InFlight,
}

impl InFlight {
    pub(super) fn with(self, answer: Answer) -> hyper::Response<Answering> {
        answer.map(|body| Answering { body, _in_flight: self })
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that reports its end a little late while a request is in flight, and whose writes have a time
/// limit.
pub(super) struct WatchedSocket<S> {
    socket: S,
    activity: Arc<Activity>,
    half_closed: Option<Pin<Box<Sleep>>>,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> WatchedSocket<S> {
    pub(super) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, half_closed: None, stuck: None }
    }

    /// Records whether the socket accepted bytes.
    fn wrote<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            if let Some(timer) = &mut self.half_closed {
                timer.as_mut().reset(Instant::now() + HALF_CLOSED);
            }
            return written;
        }
        let timer = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + STUCK)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.half_closed.is_none() {
            let before = out.filled().len();
            ready!(Pin::new(&mut self.socket).poll_read(cx, out))?;
            if out.filled().len() > before || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        if self.activity.is_idle() {
            return Poll::Ready(Ok(()));
        }
        let timer =
            self.half_closed.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + HALF_CLOSED)));
        timer.as_mut().poll(cx).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
