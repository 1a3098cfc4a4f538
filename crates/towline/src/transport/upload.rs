//! Writing a request while its response may already be on the way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::request::RequestBody;

/// Bytes of a streamed body held between its reader and the socket; allocated only while such a body is sent.
pub(super) const UPLOAD_BUFFER_BYTES: usize = 64 * 1024;

/// A request on its way out.
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
    /// The server does not take more.
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
        };
        Self { head: head.into(), body, written: false }
    }

    /// Whether the socket took any byte.
    pub(super) fn was_begun(&self) -> bool {
        self.written
    }

    /// Writes until all is written and flushed, or the socket or the body has no more for now.
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

/// Takes an announced number of bytes from a reader, piece by piece.
pub(super) struct BodyReader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    unread_bytes: u64,
    len_bytes: u64,
    piece: Bytes,
}

impl BodyReader {
    pub(super) fn new(len_bytes: u64, reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { reader, unread_bytes: len_bytes, len_bytes, piece: Bytes::new() }
    }

    /// What is left of the current piece, or the next one; `None` when all announced bytes were taken.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<&mut Bytes>>> {
        if self.piece.is_empty() {
            if self.unread_bytes == 0 {
                return Poll::Ready(Ok(None));
            }
            let room = usize::try_from(self.unread_bytes).unwrap_or(usize::MAX).min(UPLOAD_BUFFER_BYTES);
            // The piece before is gone, so this takes its allocation back.
            let mut buffer = Vec::from(std::mem::take(&mut self.piece));
            buffer.resize(room, 0);
            let mut read = ReadBuf::new(&mut buffer);
            let polled = self.reader.as_mut().poll_read(cx, &mut read);
            let filled = read.filled().len();
            ready!(polled)?;
            if filled == 0 {
                let sent = self.len_bytes - self.unread_bytes;
                let what = format!("the body ended after {sent} of {} announced bytes", self.len_bytes);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
            }
            buffer.truncate(filled);
            self.unread_bytes -= filled as u64;
            self.piece = buffer.into();
        }
        Poll::Ready(Ok(Some(&mut self.piece)))
    }

    /// Whether all announced bytes were taken.
    #[cfg(feature = "http2")]
    pub(super) fn is_done(&self) -> bool {
        self.unread_bytes == 0 && self.piece.is_empty()
    }
}
