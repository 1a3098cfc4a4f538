//! The buffer that socket reads go through.
//!
//! Whatever a read brings is decoded before the poll returns, so no connection needs a buffer of its own: one per thread
//! serves them all. Ten thousand paced streams then cost no read buffers, a flat-out stream reads 64 KiB per system call,
//! and a read that does not fill the buffer tells the runtime that the socket is empty, without a second call.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Most bytes one read takes from a socket; also the most that one poll of a response body adds to the caller's buffer.
pub(crate) const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Reads once and hands over what has arrived; an empty slice is end-of-file.
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
