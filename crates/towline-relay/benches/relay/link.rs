//! A link between two programs with a delay and losses, as a program sees them over TCP.
//!
//! A program never sees a lost segment: it receives nothing until the segment was sent again, and then everything that arrived
//! after it at once. The model, with a round trip of two delays:
//!
//! - Written data is split into segments of 1,448 bytes. Each is lost with the same probability, by a seeded generator.
//! - Three later segments make the sender send the lost one again (fast retransmit): it arrives a round trip after the third.
//! - If fewer follow in that time, it is sent again after the retransmission timeout, 200 ms and a round trip (the minimum
//!   that Linux waits).
//! - Data arrives in order. A segment that is sent again arrives. The window never closes, and the sender
//!   does not slow down: streams of tokens are far below that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Segments on the way over a link.
const ON_THE_WAY: usize = 1 << 16;
const SEGMENT_BYTES: usize = 1448;
/// The number of later segments after which a sender knows that one is lost.
const DUPLICATES: usize = 3;
/// The minimum retransmission timeout, without the round trip.
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);
const SEED: u64 = 1;

/// The properties of the link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// In each direction.
    pub(crate) delay: Duration,
    /// The share of segments that are lost.
    pub(crate) loss: f64,
}

struct Segment {
    sent: Instant,
    bytes: Vec<u8>,
}

/// A link to `to` whose replies have these properties.
pub(crate) async fn link(to: SocketAddr, way: Way) -> SocketAddr {
    between(to, move |mut from, mut to| async move {
        let (sender, mut receiver) = mpsc::channel::<Segment>(ON_THE_WAY);
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                let sent = Instant::now();
                for bytes in buffer[..count].chunks(SEGMENT_BYTES) {
                    if sender.send(Segment { sent, bytes: bytes.to_vec() }).await.is_err() {
                        return;
                    }
                }
            }
        });
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut behind: VecDeque<Segment> = VecDeque::new();
        loop {
            let next = match behind.pop_front() {
                Some(segment) => Some(segment),
                None => receiver.recv().await,
            };
            let Some(Segment { sent, bytes }) = next else { return };
            let sent = if random.f64() < way.loss {
                sent_again(sent, way, &mut receiver, &mut behind).await
            } else {
                sent
            };
            tokio::time::sleep_until(sent + way.delay).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// When a lost segment is sent for the second time. Later data goes to `behind` meanwhile.
async fn sent_again(
    sent: Instant,
    way: Way,
    receiver: &mut mpsc::Receiver<Segment>,
    behind: &mut VecDeque<Segment>,
) -> Instant {
    let round_trip = 2 * way.delay;
    let timeout = sent + round_trip + LEAST_TIMEOUT;
    while behind.len() < DUPLICATES {
        match tokio::time::timeout_at(timeout, receiver.recv()).await {
            Ok(Some(segment)) => behind.push_back(segment),
            Ok(None) | Err(_) => return timeout,
        }
    }
    timeout.min(behind[DUPLICATES - 1].sent + round_trip)
}

/// Listens, and opens a connection to `to` for each connection; replies go through `back`.
pub(crate) async fn between<F, W>(to: SocketAddr, back: F) -> SocketAddr
where
    F: Fn(tokio::net::tcp::OwnedReadHalf, tokio::net::tcp::OwnedWriteHalf) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(to).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                // Whichever side ends first ends the other.
                drop(tokio::io::copy(&mut from_client, &mut to_server).await);
            });
            tokio::spawn(back(from_server, to_client));
        }
    });
    address
}
