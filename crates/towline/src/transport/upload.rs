//! Writes a request while its response may already arrive.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::request::RequestBody;

/// Size of the buffer between the reader of a streamed body and the socket; allocated only while such a body
/// is sent.
pub(super) const UPLOAD_BUFFER_BYTES: usize = 64 * 1024;

/// A request that is being written.
pub(super) struct Upload {
    head: Bytes,
    body: UploadBody,
    written: bool,
}

enum UploadBody {
    Bytes(Bytes),
    Stream(BodyReader),
}

#[derive(Debug)]
pub(super) enum UploadError {
    /// The server accepts no more bytes.
    Socket(io::Error),
    /// The body could not be read, or was shorter than announced.
    Body(io::Error),
}

impl Upload {
    pub(super) fn new(head: Vec<u8>, body: RequestBody) -> Self {
        let body = match body {
            RequestBody::Empty => UploadBody::Bytes(Bytes::new()),
            RequestBody::Bytes(bytes) => UploadBody::Bytes(bytes),
            RequestBody::Stream { len_bytes, reader } => {
                UploadBody::Stream(BodyReader::new(len_bytes, reader))
            }
            RequestBody::StreamToEnd(reader) => UploadBody::Stream(BodyReader::in_chunks(reader)),
        };
        Self { head: head.into(), body, written: false }
    }

    /// Whether the socket accepted any byte.
    pub(super) fn was_begun(&self) -> bool {
        self.written
    }

    /// Writes until everything is written and flushed, or the socket or the body is not ready.
    pub(super) fn poll<S>(&mut self, cx: &mut Context<'_>, socket: &mut S) -> Poll<Result<(), UploadError>>
    where
        S: AsyncWrite + Unpin,
    {
        loop {
            let body = match &mut self.body {
                UploadBody::Bytes(bytes) => bytes,
                UploadBody::Stream(_) if self.head.has_remaining() => &mut Bytes::new(),
                UploadBody::Stream(reader) => {
                    match ready!(reader.poll_piece(cx)).map_err(UploadError::Body)? {
                        Some(piece) => piece,
                        None => &mut Bytes::new(),
                    }
                }
            };
            if !self.head.has_remaining() && !body.has_remaining() {
                return Pin::new(socket).poll_flush(cx).map_err(UploadError::Socket);
            }
            let parts = [IoSlice::new(&self.head), IoSlice::new(body)];
            let written = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &parts))
                .map_err(UploadError::Socket)?;
            if written == 0 {
                return Poll::Ready(Err(UploadError::Socket(io::ErrorKind::WriteZero.into())));
            }
            self.written = true;
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            body.advance(written - of_head);
        }
    }
}

/// The head of a chunk (RFC 9112, section 7.1), always with six digits: 8 bytes.
const CHUNK_HEAD_BYTES: usize = "ffffff\r\n".len();

/// Reads the bytes of a body from a reader, piece by piece.
pub(super) struct BodyReader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    left: Remaining,
    len_bytes: u64,
    piece: Bytes,
}

/// The part that is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// This many declared bytes.
    Bytes(u64),
    /// Everything up to the end, in HTTP/1.1 chunks or as it is.
    All { chunked: bool },
}

impl BodyReader {
    /// An announced number of bytes.
    pub(super) fn new(len_bytes: u64, reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { reader, left: Remaining::Bytes(len_bytes), len_bytes, piece: Bytes::new() }
    }

    /// All that the reader has.
    #[cfg(feature = "http2")]
    pub(super) fn to_end(reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { left: Remaining::All { chunked: false }, ..Self::new(0, reader) }
    }

    /// All bytes of the reader in chunks, including the last, empty chunk.
    pub(super) fn in_chunks(reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { left: Remaining::All { chunked: true }, ..Self::new(0, reader) }
    }

    /// The rest of the current piece, or the next one; `None` when everything was read.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<&mut Bytes>>> {
        if self.piece.is_empty() {
            let (before, room) = match self.left {
                Remaining::Bytes(0) => return Poll::Ready(Ok(None)),
                Remaining::Bytes(left) => {
                    (0, usize::try_from(left).unwrap_or(usize::MAX).min(UPLOAD_BUFFER_BYTES))
                }
                Remaining::All { chunked: true } => (CHUNK_HEAD_BYTES, UPLOAD_BUFFER_BYTES),
                Remaining::All { chunked: false } => (0, UPLOAD_BUFFER_BYTES),
            };
            // The previous piece was dropped, so this reuses its allocation.
            let mut buffer = Vec::from(std::mem::take(&mut self.piece));
            buffer.resize(before + room, 0);
            let mut read = ReadBuf::new(&mut buffer[before..]);
            let polled = self.reader.as_mut().poll_read(cx, &mut read);
            let filled = read.filled().len();
            ready!(polled)?;
            buffer.truncate(before + filled);
            match self.left {
                Remaining::Bytes(left) if filled == 0 => {
                    let sent = self.len_bytes - left;
                    let what = format!("the body ended after {sent} of {} declared bytes", self.len_bytes);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
                }
                Remaining::Bytes(left) => self.left = Remaining::Bytes(left - filled as u64),
                Remaining::All { chunked } => {
                    if chunked {
                        buffer[..CHUNK_HEAD_BYTES].copy_from_slice(format!("{filled:06x}\r\n").as_bytes());
                        buffer.extend_from_slice(b"\r\n");
                    }
                    if filled == 0 {
                        // The empty chunk is the last one.
                        self.left = Remaining::Bytes(0);
                    }
                }
            }
            self.piece = buffer.into();
        }
        Poll::Ready(Ok(Some(&mut self.piece).filter(|piece| !piece.is_empty())))
    }

    /// Whether all bytes were taken.
    #[cfg(feature = "http2")]
    pub(super) fn is_done(&self) -> bool {
        self.left == Remaining::Bytes(0) && self.piece.is_empty()
    }
}
