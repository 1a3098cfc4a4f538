//! The buffer for socket reads.
//!
//! All bytes of a read are decoded before the poll returns, so no connection needs its own buffer: one per
//! thread serves them all. Ten thousand paced streams then cost no read buffers, a flat-out stream reads 64
//! KiB per system call, and a read that does not fill the buffer tells the runtime that the socket is empty,
//! without a second call.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Maximum number of bytes of one read from a socket, and of one poll of a response body.
pub(crate) const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Reads once and passes on the bytes that have arrived; an empty slice means end of file.
pub(super) fn poll_read_with<S, T>(
    socket: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>>
where
    S: AsyncRead + Unpin,
{
    BUFFER.with(|slot| {
        let mut buffer = slot.take().unwrap_or_else(|| vec![0; READ_BYTES].into_boxed_slice());
        let mut read = ReadBuf::new(&mut buffer);
        let polled = Pin::new(socket).poll_read(cx, &mut read);
        let taken = polled.map_ok(|()| take(read.filled()));
        slot.set(Some(buffer));
        Poll::Ready(ready!(taken))
    })
}
