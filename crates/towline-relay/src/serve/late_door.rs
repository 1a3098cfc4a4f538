//! Listeners that are opened while the relay runs: for the page on this machine, and for phones.

use std::future::Future;
use std::net::SocketAddr;

use tokio::sync::{Mutex, mpsc};

use super::listen::Listener;
use super::run::Tls;
use crate::config::Listen;

/// A listener, open or not.
#[derive(Debug)]
pub(crate) struct LateDoor {
    open: Mutex<Option<SocketAddr>>,
    /// Who accepts what comes in.
    opened: mpsc::Sender<(Listener, Tls)>,
}

impl LateDoor {
    /// One that is not open, and where the listener comes from once it is.
    pub(super) fn new() -> (Self, mpsc::Receiver<(Listener, Tls)>) {
        // It is opened once.
        let (opened, listener) = mpsc::channel(1);
        (Self { open: Mutex::new(None), opened }, listener)
    }

    /// Whether it is open, or just being opened.
    pub(crate) fn is_open(&self) -> bool {
        self.open.try_lock().map_or(true, |open| open.is_some())
    }

    /// Opens it on loopback, at a free port, as long as the relay runs.
    ///
    /// # Cancel safety
    /// As [`open`](Self::open).
    ///
    /// # Errors
    /// When there is no free port, or the relay ends.
    pub(crate) async fn open_page(&self) -> std::io::Result<SocketAddr> {
        self.open(async { Ok((Listener::bind_page().await?, Tls::default())) }).await
    }

    /// Where it is open from now on, as long as the relay runs.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it as it is, or open.
    ///
    /// # Errors
    /// When it cannot be made, or the relay ends.
    pub(super) async fn open(
        &self,
        made: impl Future<Output = std::io::Result<(Listener, Tls)>>,
    ) -> std::io::Result<SocketAddr> {
        let mut open = self.open.lock().await;
        if let Some(address) = *open {
            return Ok(address);
        }
        let (listener, tls) = made.await?;
        let Listen::Tcp(address) = listener.shown() else {
            return Err(std::io::Error::other("a socket has no address"));
        };
        self.opened.try_send((listener, tls)).map_err(|_| std::io::Error::other("the relay ends"))?;
        *open = Some(address);
        Ok(address)
    }
}
