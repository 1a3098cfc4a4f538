//! A line that takes its time: copies both ways, each byte later by the same time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Failure;

/// Reads under way at once, each of 16 KiB at most: what the line holds.
const UNDER_WAY: usize = 4096;

/// Listens for one connection after the other and passes each on to `to`, later by `one_way`.
pub(crate) async fn line(to: SocketAddr, one_way: Duration) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(to).await else { return };
            if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
                return;
            }
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(copy(near_read, far_write, one_way));
            tokio::spawn(copy(far_read, near_write, one_way));
        }
    });
    Ok(address)
}

async fn copy<R, W>(mut from: R, mut to: W, later: Duration)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    tokio::spawn(async move {
        while let Some((due, bytes)) = receive.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if send.send((Instant::now() + later, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}
