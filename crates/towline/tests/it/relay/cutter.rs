//! A proxy that cuts connections in every way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both sides see a reset.
    Reset,
    /// The client sees a clean end.
    HalfClose,
    /// The relay sees an end, as if the client sends no more; the relay's own data still arrives.
    HalfCloseOfClient,
    /// Nothing arrives any more, without an end.
    Stall,
}

/// A proxy in front of a relay, on its own thread.
pub(crate) struct Cutter {
    pub(crate) url: String,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    target: SocketAddr,
    plan: Mutex<Plan>,
}

/// The number of remaining cuts, and the number of bytes before each.
struct Plan {
    left: usize,
    made: usize,
    random: fastrand::Rng,
    bytes: std::ops::Range<usize>,
}

impl Cutter {
    /// Cuts each connection once it has carried some number of bytes from `bytes`, until `cuts` were made.
    pub(crate) fn start(target: SocketAddr, cuts: usize, bytes: std::ops::Range<usize>, seed: u64) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Plan { left: cuts, made: 0, random: fastrand::Rng::with_seed(seed), bytes };
        let shared = Arc::new(Shared { target, plan: Mutex::new(plan) });
        let serving = accept(Arc::clone(&shared), listener);
        runtime.spawn(serving);
        Self { url, shared, runtime: Some(runtime) }
    }

    pub(crate) fn made(&self) -> usize {
        self.shared.plan.lock().unwrap().made
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// The number of bytes before the next cut, and its kind.
    fn next(&self) -> Option<(usize, Cut)> {
        let mut plan = self.plan.lock().unwrap();
        plan.left = plan.left.checked_sub(1)?;
        let range = plan.bytes.clone();
        let after = plan.random.usize(range);
        let how = match plan.random.u8(0..10) {
            0..4 => Cut::Reset,
            4..6 => Cut::HalfClose,
            6..8 => Cut::HalfCloseOfClient,
            _ => Cut::Stall,
        };
        Some((after, how))
    }

    fn was_made(&self) {
        self.plan.lock().unwrap().made += 1;
    }
}

async fn accept(shared: Arc<Shared>, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        super::beside(forward(Arc::clone(&shared), client));
    }
}

async fn forward(shared: Arc<Shared>, mut client: TcpStream) {
    let Ok(mut relay) = TcpStream::connect(shared.target).await else { return };
    drop((client.set_nodelay(true), relay.set_nodelay(true)));
    let plan = shared.next();
    let (mut after, how) = plan.unwrap_or((usize::MAX, Cut::Reset));
    let (mut up, mut down) = ([0; 16 << 10], vec![0; 16 << 10]);
    loop {
        let most = down.len().min(after);
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(count @ 1..) if relay.write_all(&up[..count]).await.is_ok() => {}
                _ => break,
            },
            read = relay.read(&mut down[..most]), if most > 0 => match read {
                Ok(count @ 1..) if client.write_all(&down[..count]).await.is_ok() => after -= count,
                _ => break,
            },
        }
        if after == 0 {
            shared.was_made();
            return cut(how, client, relay).await;
        }
    }
    // The connection ended by itself, so this cut remains.
    if plan.is_some() {
        shared.plan.lock().unwrap().left += 1;
    }
}

async fn cut(how: Cut, mut client: TcpStream, mut relay: TcpStream) {
    match how {
        Cut::Reset => {
            drop((client.set_zero_linger(), relay.set_zero_linger()));
        }
        Cut::HalfClose => {
            drop(client.shutdown().await);
            // Further data from the client is discarded.
            let mut rest = [0; 1024];
            let reading = async { while matches!(client.read(&mut rest).await, Ok(1..)) {} };
            drop(tokio::time::timeout(Duration::from_secs(60), reading).await);
        }
        Cut::HalfCloseOfClient => {
            drop(relay.shutdown().await);
            let rest = tokio::io::copy(&mut relay, &mut client);
            drop(tokio::time::timeout(Duration::from_secs(60), rest).await);
        }
        Cut::Stall => {
            let mut rest = [0; 1024];
            // Until the client gives up.
            while matches!(client.read(&mut rest).await, Ok(1..)) {}
        }
    }
}
