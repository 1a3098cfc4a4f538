//! How a relay batches records for a reader: a reader that keeps up gets each record at once, a slow one gets several together.
//!
//! Compared with a proxy that forwards each record at once, and one that collects for 50 ms. The link to the reader has a
//! delay and loses segments, both simulated in this process (`link.rs`).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::link::{Way, between, link};
use crate::proxies::relay;
use crate::reader::{Measured, Stamps, quantile, request};

const RATE: usize = 200;
const RECORDS: usize = 1000;

#[derive(Clone, Copy)]
enum Reader {
    /// Reads records as they arrive.
    Idle,
    /// Reads ten times less often than records arrive.
    Behind,
}

pub(crate) async fn gathering(upstream: &str) {
    println!(
        "\none stream, {RATE} records a second; by what is between, the delay and loss on the way and the reader"
    );
    println!(
        "{:<12} {:>7} {:>5} {:<8} {:>12} {:>10} {:>10} {:>10}",
        "between", "delay", "loss", "reader", "bytes/read", "reads/s", "added p50", "added p99"
    );
    let direct: SocketAddr = upstream.strip_prefix("http://").unwrap().parse().unwrap();
    let relay = relay(upstream, false);
    let fixed = gatherer(direct, Duration::from_millis(50)).await;
    for (delay, loss) in [(0, 0), (50, 0), (200, 0), (0, 1), (50, 1), (200, 1)] {
        let delay = Duration::from_millis(delay);
        let way = Way { delay, loss: f64::from(loss) / 100.0 };
        for (name, address) in [("none", direct), ("relay", relay.address), ("fixed 50 ms", fixed)] {
            let link = link(address, way).await;
            for reader in [Reader::Idle, Reader::Behind] {
                let began = Instant::now();
                let mut measured = read(link, reader).await;
                let seconds = began.elapsed().as_secs_f64();
                let [p50, p99] =
                    [0.5, 0.99].map(|share| quantile(&mut measured.latencies, share).saturating_sub(delay));
                println!(
                    "{name:<12} {:>4} ms {loss:>3} % {:<8} {:>12} {:>10.0} {p50:>10.1?} {p99:>10.1?}",
                    delay.as_millis(),
                    match reader {
                        Reader::Idle => "idle",
                        Reader::Behind => "behind",
                    },
                    measured.bytes / measured.reads.max(1),
                    measured.reads as f64 / seconds,
                );
            }
        }
    }
}

async fn read(address: SocketAddr, reader: Reader) -> Measured {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request(&format!("stamped:{RATE}:{RECORDS}")).as_bytes()).await.unwrap();
    let (mut measured, mut stamps) = (Measured::default(), Stamps::default());
    let mut buffer = vec![0; 64 << 10];
    while !measured.is_whole {
        if let Reader::Behind = reader {
            tokio::time::sleep(Duration::from_millis(1000 * 10 / RATE as u64)).await;
        }
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the stream was cut");
        stamps.take(&buffer[..count], &mut measured);
    }
    measured
}

/// A proxy that collects records for this long.
async fn gatherer(to: SocketAddr, window: Duration) -> SocketAddr {
    between(to, move |mut from, mut to| async move {
        let mut buffer = Vec::with_capacity(64 << 10);
        while from.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
            let until = Instant::now() + window;
            while let Ok(Ok(1..)) = tokio::time::timeout_at(until, from.read_buf(&mut buffer)).await {}
            if to.write_all(&buffer).await.is_err() {
                return;
            }
            buffer.clear();
        }
    })
    .await
}
