//! Model files on their way to the server.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Method;

use crate::client::Client;
use crate::transport::RequestBody;

/// How much of a file is hashed at a time, in bytes.
const HASH_PIECE_BYTES: usize = 256 << 10;

/// How far a file is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// It is read for its digest.
    Hashing {
        /// Bytes read.
        done_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
    /// It is sent; the server did not have it.
    Sending {
        /// Bytes given to the connection.
        done_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
}

type Watch = Box<dyn FnMut(Upload) + Send>;

/// A file that tells how much of it was read.
struct Watched {
    file: tokio::fs::File,
    sent_bytes: u64,
    total_bytes: u64,
    watch: Watch,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.file).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        if count > 0 {
            this.sent_bytes += count as u64;
            (this.watch)(Upload::Sending { done_bytes: this.sent_bytes, total_bytes: this.total_bytes });
        }
        Poll::Ready(Ok(()))
    }
}

impl Client {
    /// Whether the server has the file with this digest (`sha256:` and 64 hex digits).
    ///
    /// # Cancel safety
    /// Safe: asking changes nothing.
    ///
    /// # Errors
    /// As for every request; that the file is not there is no error.
    pub async fn blob_exists(&self, digest: &str) -> Result<bool, Error> {
        let path = blob_path(digest)?;
        match self.exchange(|| self.request(Method::Head, &path, RequestBody::Empty, &[])).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a file of `len_bytes` bytes under its digest. It is read as it is sent and never held as a whole.
    ///
    /// # Cancel safety
    /// Dropping the future stops the upload; the server keeps nothing of it.
    ///
    /// # Errors
    /// As for every request. The server refuses content that does not fit the digest.
    pub async fn upload_blob(
        &self,
        digest: &str,
        len_bytes: u64,
        content: impl AsyncRead + Send + 'static,
    ) -> Result<(), Error> {
        let reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(content);
        let body = RequestBody::Stream { len_bytes, reader };
        let headers = [("Content-Type", "application/octet-stream")];
        let request = self.request(Method::Post, &blob_path(digest)?, body, &headers);
        self.upload(request).await.map(drop)
    }

    /// Sends the file at `path`, unless the server has it, and returns its digest for
    /// [`CreateRequest::files`](crate::api::CreateRequest::files).
    ///
    /// # Cancel safety
    /// Dropping the future stops the upload; the server keeps nothing of it.
    ///
    /// # Errors
    /// A file that cannot be read, and as for every request.
    pub async fn upload_file(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        self.upload_file_watched(path, |_| ()).await
    }

    /// As [`upload_file`](Self::upload_file); `watch` is told how far it is, for every piece of the file.
    ///
    /// The clock for the first event counts from the last piece that the connection took: a long upload is waited for as
    /// long as it moves on.
    ///
    /// # Cancel safety
    /// Dropping the future stops the upload; the server keeps nothing of it.
    ///
    /// # Errors
    /// A file that cannot be read, and as for every request.
    pub async fn upload_file_watched(
        &self,
        path: impl AsRef<Path>,
        watch: impl FnMut(Upload) + Send + 'static,
    ) -> Result<String, Error> {
        let mut watch: Watch = Box::new(watch);
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| {
            let message = format!("{} cannot be read: {error}", path.display());
            Error::new(ErrorKind::InvalidRequest, Fault::Caller, message)
        };
        let (digest, len_bytes) = digest_of(path, &mut watch).await.map_err(unreadable)?;
        if !self.blob_exists(&digest).await? {
            let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            let content = Watched { file, sent_bytes: 0, total_bytes: len_bytes, watch };
            self.upload_blob(&digest, len_bytes, content).await?;
        }
        Ok(digest)
    }
}

/// A file's SHA-256 as the server writes it, and its length.
async fn digest_of(path: &Path, watch: &mut Watch) -> std::io::Result<(String, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let total_bytes = file.metadata().await?.len();
    let mut hash = Sha256::new();
    let mut piece = vec![0; HASH_PIECE_BYTES];
    let mut len_bytes = 0;
    loop {
        let count = file.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        len_bytes += count as u64;
        watch(Upload::Hashing { done_bytes: len_bytes, total_bytes });
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((format!("sha256:{hex}"), len_bytes))
}

fn blob_path(digest: &str) -> Result<String, Error> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(format!("/api/blobs/{digest}"))
    } else {
        let message = format!("{digest:?} is not a digest: it is written sha256: and 64 hex digits");
        Err(Error::new(ErrorKind::InvalidRequest, Fault::Caller, message))
    }
}
