//! Uploads of model files.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Method;

use crate::handle::Client;
use crate::transport::RequestBody;

/// Size of the pieces in which a file is hashed, in bytes.
const HASH_PIECE_BYTES: usize = 256 << 10;

/// Progress of a file upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// The file is being read to compute its digest.
    Hashing {
        /// Bytes read.
        done_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
    /// The file is being sent, because the server does not have it.
    Sending {
        /// Bytes written to the connection.
        done_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
}

type Watch = Box<dyn FnMut(Upload) + Send>;

/// A file reader that reports how much was read.
struct ReportingReader {
    file: tokio::fs::File,
    sent_bytes: u64,
    total_bytes: u64,
    watch: Watch,
}

impl AsyncRead for ReportingReader {
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
    /// Safe: the request changes nothing.
    ///
    /// # Errors
    /// As for every request; a missing file is not an error.
    pub async fn blob_exists(&self, digest: &str) -> Result<bool, Error> {
        let path = blob_path(digest)?;
        match self.exchange(|| self.request(Method::Head, &path, RequestBody::Empty, &[])).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Uploads a file of `len_bytes` bytes under its digest. The file is read while it is sent, and never
    /// held in memory as a whole.
    ///
    /// # Cancel safety
    /// Dropping the future stops the upload; the server keeps nothing of it.
    ///
    /// # Errors
    /// As for every request. The server rejects content that does not match the digest.
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

    /// Like [`upload_file`](Self::upload_file), but calls `watch` with the progress after every piece of the
    /// file.
    ///
    /// The time limit of the first event starts again with each piece that the connection accepts, so a long
    /// upload does not time out while it makes progress.
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
            let content = ReportingReader { file, sent_bytes: 0, total_bytes: len_bytes, watch };
            self.upload_blob(&digest, len_bytes, content).await?;
        }
        Ok(digest)
    }
}

/// The SHA-256 of a file in the server's notation, and the length of the file.
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
        let message = format!("{digest:?} is not a digest: write sha256: and 64 hex digits");
        Err(Error::new(ErrorKind::InvalidRequest, Fault::Caller, message))
    }
}
