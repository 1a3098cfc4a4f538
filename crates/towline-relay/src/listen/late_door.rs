//! Listeners that are opened while the relay runs: for the page on this machine, and for phones.

use std::future::Future;
use std::net::SocketAddr;

use tokio::sync::{Mutex, mpsc};

use super::listener::Listener;
use super::tls::Tls;
use crate::config::Listen;

/// A listener, open or not.
#[derive(Debug)]
pub(crate) struct LateDoor {
    open: Mutex<Option<SocketAddr>>,
    /// Passes the listener to the task that accepts its connections.
    opened: mpsc::Sender<(Listener, Tls)>,
    listener: Mutex<mpsc::Receiver<(Listener, Tls)>>,
}

impl Default for LateDoor {
    /// A closed one.
    fn default() -> Self {
        // It opens only once.
        let (opened, listener) = mpsc::channel(1);
        Self { open: Mutex::new(None), opened, listener: Mutex::new(listener) }
    }
}

impl LateDoor {
    /// The listener, once it is open. It is returned only once.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn opened(&self) -> (Listener, Tls) {
        match self.listener.lock().await.recv().await {
            Some(opened) => opened,
            // `self` holds the sender.
            None => std::future::pending().await,
        }
    }

    /// Whether it is open or about to open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.try_lock().map_or(true, |open| open.is_some())
    }

    /// Opens it on loopback, at a free port, as long as the relay runs.
    ///
    /// # Cancel safety
    /// Like [`open`](Self::open).
    ///
    /// # Errors
    /// If there is no free port, or the relay shuts down.
    pub(crate) async fn open_page(&self) -> std::io::Result<SocketAddr> {
        self.open(async { Ok((Listener::bind_page().await?, Tls::default())) }).await
    }

    /// Opens it while the relay runs, and returns its address.
    ///
    /// # Cancel safety
    /// If the future is dropped, it may be open or not.
    ///
    /// # Errors
    /// If it cannot be created, or the relay shuts down.
    pub(crate) async fn open(
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
        self.opened.try_send((listener, tls)).map_err(|_| std::io::Error::other("the relay is ending"))?;
        *open = Some(address);
        Ok(address)
    }
}
