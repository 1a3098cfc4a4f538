//! The body of a response, read by polling.

use std::task::{Context, Poll};

use super::error::TransportError;
use super::http1::Http1Body;
use super::http2::Http2Body;

/// What one poll brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes were appended; not 0.
    Bytes(usize),
    /// The body is complete, as its framing says. The connection is back in the pool or closed.
    End,
}

/// The body of a response. Reads happen only when it is polled: what is not asked for stays with the server.
///
/// Dropping it before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), at once.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    wire: Wire,
}

#[derive(Debug)]
pub(super) enum Wire {
    Http1(Http1Body),
    Http2(Http2Body),
}

impl ResponseBody {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire }
    }

    /// Appends what has arrived to `out`, at most 64 KiB, and says how much; pending when nothing has.
    ///
    /// # Cancel safety
    ///
    /// Whatever was read is in `out` when this returns, so no byte is lost by not polling again.
    ///
    /// # Errors
    ///
    /// [`TransportError`], with the connection closed. Bytes that came before the error are in `out`; the call that
    /// reports the error may have appended some.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Read, TransportError>> {
        match &mut self.wire {
            Wire::Http1(body) => body.poll_read(cx, out),
            Wire::Http2(body) => body.poll_read(cx, out),
        }
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
