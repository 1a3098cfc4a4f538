//! A relay with the maximum number of answers, while many clients watch its list.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::proxies::{Proxy, relay};
use crate::reader::quantile;
use crate::scale::{detached, ended};

const KEPT: u64 = 200_000;
const WATCHERS: u64 = 20;
const ASKERS: u64 = 8;
const ROUNDS: usize = 500;

pub(crate) async fn watched(upstream: &str) {
    let relay = relay(upstream, false);
    println!("\n/healthz of a relay on disk, {ROUNDS} requests one after the other on one connection");
    measure("no answers", &relay).await;
    let began = Instant::now();
    let mut askers = JoinSet::new();
    for _ in 0..ASKERS {
        let address = relay.address;
        askers.spawn(async move {
            let mut last = String::new();
            for _ in 0..KEPT / ASKERS {
                last = detached(address, "flat:1".into()).await;
            }
            ended(address, &last).await;
        });
    }
    while let Some(asker) = askers.join_next().await {
        asker.unwrap();
    }
    println!("{KEPT} answers were asked in {:.0?}", began.elapsed());
    measure("all answers", &relay).await;
    let lines = Arc::new(AtomicU64::new(0));
    for _ in 0..WATCHERS {
        tokio::spawn(watch(relay.address, Arc::clone(&lines)));
    }
    let began = Instant::now();
    measure("while the watchers receive all answers", &relay).await;
    while lines.load(Ordering::Relaxed) < WATCHERS * KEPT {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{WATCHERS} watchers received all answers in {:.0?}", began.elapsed());
    measure("with the watchers", &relay).await;
    let changing = tokio::spawn({
        let address = relay.address;
        async move {
            loop {
                detached(address, "paced:30:60".into()).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    measure("with the watchers, 10 new answers a second", &relay).await;
    changing.abort();
}

async fn measure(when: &str, relay: &Proxy) {
    let before = relay.cpu();
    let mut socket = TcpStream::connect(relay.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        // Rounds of the relay's own work are a second apart.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let began = Instant::now();
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"ok\n") {
            assert!(socket.read_buf(&mut said).await.unwrap() > 0, "the connection ended");
        }
        times.push(began.elapsed().as_nanos().try_into().unwrap());
    }
    println!(
        "{when:<44} p50 {:>9.1?}  p99 {:>9.1?}  CPU {:>6.2?}  {:>5} MB",
        quantile(&mut times, 0.5),
        quantile(&mut times, 0.99),
        relay.cpu() - before,
        relay.resident_bytes() >> 20
    );
}

/// Counts the lines that it receives.
async fn watch(address: SocketAddr, lines: Arc<AtomicU64>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let asked = b"GET /towline/v1/jobs?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write_all(asked).await.unwrap();
    let mut buffer = vec![0; 256 << 10];
    while let Ok(count @ 1..) = socket.read(&mut buffer).await {
        // Each is reported with its state.
        let told = buffer[..count].windows(9).filter(|bytes| bytes == b"\"number\":").count();
        lines.fetch_add(told as u64, Ordering::Relaxed);
    }
}
