//! The cost of one record, and of the first one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::proxies::{Proxy, nginx, relay};
use crate::reader::{quantile, read, request};

const STREAMS: usize = 1000;
const RATE: usize = 30;
const SECONDS: usize = 10;

pub(crate) async fn records(upstream: &str) {
    println!(
        "\n{STREAMS} streams, {RATE} records a second each, {SECONDS} s; from the server's write to the reader"
    );
    println!(
        "{:<16} {:>9} {:>9} {:>9} {:>16} {:>9}",
        "through", "p50", "p95", "p99", "CPU a record", "memory"
    );
    let direct: SocketAddr = upstream.strip_prefix("http://").unwrap().parse().unwrap();
    one("nothing", direct, None).await;
    if let Some(nginx) = nginx(upstream) {
        one("nginx", nginx.address, Some(&nginx)).await;
    }
    for (name, in_memory) in [("relay, disk", false), ("relay, memory", true)] {
        let relay = relay(upstream, in_memory);
        one(name, relay.address, Some(&relay)).await;
    }
}

async fn one(name: &str, address: SocketAddr, proxy: Option<&Proxy>) {
    let before = proxy.map(Proxy::cpu);
    let mut readers = JoinSet::new();
    for _ in 0..STREAMS {
        readers.spawn(read(address, format!("stamped:{RATE}:{}", RATE * SECONDS)));
    }
    let mut latencies = Vec::with_capacity(STREAMS * RATE * SECONDS);
    let mut whole = 0;
    while let Some(measured) = readers.join_next().await {
        let measured = measured.unwrap();
        whole += usize::from(measured.is_whole);
        latencies.extend(measured.latencies);
    }
    assert_eq!((whole, latencies.len()), (STREAMS, STREAMS * RATE * SECONDS), "{name}");
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| quantile(&mut latencies, share));
    let cost = proxy.zip(before).map_or("-".to_owned(), |(proxy, before)| {
        format!("{:.1} µs", (proxy.cpu() - before).as_secs_f64() * 1e6 / latencies.len() as f64)
    });
    let memory = proxy.map_or("-".to_owned(), |proxy| format!("{} MB", proxy.resident_bytes() >> 20));
    println!("{name:<16} {p50:>9.1?} {p95:>9.1?} {p99:>9.1?} {cost:>16} {memory:>9}");
}

/// The time from the request to the first byte of the answer's body, one request after the other on one connection.
pub(crate) async fn first(upstream: &str) {
    const REQUESTS: usize = 500;
    println!("\nfrom the request to the first record, {REQUESTS} requests one after the other, in turn");
    let direct: SocketAddr = upstream.strip_prefix("http://").unwrap().parse().unwrap();
    let (disk, memory, nginx) = (relay(upstream, false), relay(upstream, true), nginx(upstream));
    let mut ways = vec![("nothing", direct)];
    ways.extend(nginx.as_ref().map(|nginx| ("nginx", nginx.address)));
    ways.extend([("relay, disk", disk.address), ("relay, memory", memory.address)]);
    let mut times: Vec<Vec<u64>> = vec![Vec::new(); ways.len()];
    let mut sockets = Vec::new();
    for (_, address) in &ways {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        sockets.push(socket);
    }
    for _ in 0..REQUESTS {
        for (times, socket) in times.iter_mut().zip(&mut sockets) {
            times.push(first_byte(socket).await.as_nanos().try_into().unwrap());
        }
    }
    for ((name, _), mut times) in ways.into_iter().zip(times) {
        println!(
            "{name:<16} p50 {:>9.1?}  p99 {:>9.1?}",
            quantile(&mut times, 0.5),
            quantile(&mut times, 0.99)
        );
    }
}

async fn first_byte(socket: &mut TcpStream) -> Duration {
    let began = Instant::now();
    socket.write_all(request("flat:3").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut first = None;
    while !answer.ends_with(b"0\r\n\r\n") {
        let count = socket.read_buf(&mut answer).await.unwrap();
        assert!(count > 0, "the connection ended");
        if first.is_none() && answer.windows(10).any(|bytes| bytes == b"\"content\":") {
            first = Some(began.elapsed());
        }
    }
    first.unwrap()
}
