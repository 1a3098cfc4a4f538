//! The body of a response, read by polling.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::{ErrorKind, Sent, TransportError};
use super::http1::Http1Body;
use super::http2::Http2Body;
use super::inflate::Inflate;
use super::pool::Origin;

/// The result of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// This many bytes were appended; not 0.
    Bytes(usize),
    /// The body is complete, as its framing says. The connection is back in the pool or closed.
    End,
}

/// The body of a response. Reads happen only when it is polled: unread bytes stay with the server.
///
/// Dropping it before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), at once.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    wire: Wire,
    inflate: Option<Box<Inflate>>,
}

#[derive(Debug)]
pub(super) enum Wire {
    Http1(Http1Body),
    Http2(Http2Body),
    /// The compressed body was corrupt, so the connection was closed.
    Corrupt(Arc<Origin>),
}

impl Wire {
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<Read, TransportError>> {
        match self {
            Self::Http1(body) => body.poll_read(cx, out),
            Self::Http2(body) => body.poll_read(cx, out),
            Self::Corrupt(origin) => {
                let kind = ErrorKind::Protocol("the compressed body is corrupt".into());
                Poll::Ready(Err(TransportError::new(kind, Sent::Maybe, &origin.endpoint)))
            }
        }
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        match self {
            Self::Http1(body) => body.origin(),
            Self::Http2(body) => body.origin(),
            Self::Corrupt(origin) => origin,
        }
    }
}

impl ResponseBody {
    pub(super) fn new(wire: Wire, inflate: Option<Box<Inflate>>) -> Self {
        Self { wire, inflate }
    }

    /// The value of a trailer, once the body is complete. Only HTTP/2 has them here.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        match &self.wire {
            Wire::Http2(body) => body.trailers().get(name),
            Wire::Http1(_) | Wire::Corrupt(_) => None,
        }
    }

    /// Appends the bytes that have arrived to `out` and returns their number; pending if none have. Reads at
    /// most 64 KiB at a time (a compressed body may yield twice as much).
    ///
    /// # Cancel safety
    ///
    /// All bytes that were read are in `out` when this returns, so no byte is lost if the caller stops
    /// polling.
    ///
    /// # Errors
    ///
    /// [`TransportError`], with the connection closed. Bytes that arrived before the error are in `out`; the
    /// call that returns the error may have appended some.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        if self.inflate.is_none() {
            return self.wire.poll_read(cx, out);
        }
        self.poll_inflate(cx, out)
    }

    fn poll_inflate(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        let Some(inflate) = &mut self.inflate else { return self.wire.poll_read(cx, out) };
        let before = out.len();
        let failed = loop {
            match inflate.run(out) {
                Ok(false) => {}
                Ok(true) => return Poll::Ready(Ok(Read::Bytes(out.len() - before))),
                Err(error) => break error,
            }
            match ready!(self.wire.poll_read(cx, inflate.input())) {
                Ok(Read::Bytes(_)) => {}
                Ok(Read::End) => match inflate.finish() {
                    Ok(()) => return Poll::Ready(Ok(Read::End)),
                    Err(error) => break error,
                },
                Err(error) => {
                    // The bytes before the failure are still valid.
                    drop(inflate.run(out));
                    return Poll::Ready(Err(error));
                }
            }
        };
        let origin = Arc::clone(self.wire.origin());
        let kind = ErrorKind::Protocol("the compressed body is corrupt or cut".into());
        let error = TransportError::new(kind, Sent::Maybe, &origin.endpoint).because(failed);
        self.wire = Wire::Corrupt(origin);
        Poll::Ready(Err(error))
    }

    /// As [`poll_read`](Self::poll_read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read).
    pub(crate) async fn read(&mut self, out: &mut Vec<u8>) -> Result<Read, TransportError> {
        std::future::poll_fn(|cx| self.poll_read(cx, out)).await
    }
}
