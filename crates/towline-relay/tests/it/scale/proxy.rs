//! What lies between a relay and Redis: it can hold what is sent, break connections, and lead to another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    is_held: bool,
    /// Connections of an earlier one are closed.
    generation: u64,
}

pub(super) struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    state: watch::Sender<State>,
}

impl Proxy {
    pub(super) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(target));
        let state = watch::Sender::new(State { is_held: false, generation: 0 });
        let (to, of) = (Arc::clone(&target), state.subscribe());
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(connection(from, to.load(Ordering::Relaxed), of.clone()));
            }
        });
        Self { port, target, state }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Nothing passes until it is told so; connections stay.
    pub(super) fn hold(&self, is_held: bool) {
        self.state.send_modify(|state| state.is_held = is_held);
    }

    /// Closes all connections, in the middle of whatever is on its way.
    pub(super) fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Leads to another server from now on.
    pub(super) fn lead_to(&self, port: u16) {
        self.lead_new_to(port);
        self.cut();
    }

    /// Leads new connections to another server; those that are there stay.
    pub(super) fn lead_new_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }
}

async fn connection(from: TcpStream, target: u16, mut state: watch::Receiver<State>) {
    let Ok(to) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let generation = state.borrow_and_update().generation;
    let (from_read, from_write) = from.into_split();
    let (to_read, to_write) = to.into_split();
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        () = pass(from_read, to_write, up) => {}
        () = pass(to_read, from_write, down) => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|state| !state.is_held).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
