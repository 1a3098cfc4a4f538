//! A door on loopback that is opened when its user asks for the page: the Unix socket stays the only one that stands open.

use std::net::SocketAddr;

use tokio::sync::{Mutex, mpsc};

use super::listen::Listener;
use crate::config::Listen;

/// The door, open or not.
#[derive(Debug)]
pub(crate) struct PageDoor {
    open: Mutex<Option<SocketAddr>>,
    /// Who accepts what comes in.
    opened: mpsc::Sender<Listener>,
}

impl PageDoor {
    /// A door that is not open, and what its listener comes from once it is.
    pub(super) fn new() -> (Self, mpsc::Receiver<Listener>) {
        // It is opened once.
        let (opened, listener) = mpsc::channel(1);
        (Self { open: Mutex::new(None), opened }, listener)
    }

    /// Where it is open from now on, as long as the relay runs.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it as it is, or open.
    ///
    /// # Errors
    /// When there is no free port, or the relay ends.
    pub(crate) async fn open(&self) -> std::io::Result<SocketAddr> {
        let mut open = self.open.lock().await;
        if let Some(address) = *open {
            return Ok(address);
        }
        let listener = Listener::bind_page().await?;
        let Listen::Tcp(address) = listener.shown() else {
            return Err(std::io::Error::other("loopback has no address"));
        };
        self.opened.try_send(listener).map_err(|_| std::io::Error::other("the relay ends"))?;
        *open = Some(address);
        Ok(address)
    }
}
