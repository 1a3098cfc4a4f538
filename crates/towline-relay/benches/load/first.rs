//! What the relay adds to the first token.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::figures::{ms, quantile};
use crate::latency::request;
use crate::process::Running;
use crate::stamps::{Scanner, Tally};

const REQUESTS: usize = 400;

pub(crate) async fn run() -> Result<(), Failure> {
    let server = Running::server()?;
    let relay = Running::relay(server.address)?;
    let (mut straight, mut relayed) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        straight.push(first_record(server.address).await?);
        relayed.push(first_record(relay.address).await?);
    }
    let added = |share: f64, straight: &mut [Duration], relayed: &mut [Duration]| {
        ms(quantile(relayed, share)) - ms(quantile(straight, share))
    };
    println!(
        "first token: straight p50 {:.3} ms, through the relay {:.3} ms; added p50 {:.3} ms, p99 {:.3} ms   (target p50 ≤ 0.5 ms)",
        ms(quantile(&mut straight, 0.5)),
        ms(quantile(&mut relayed, 0.5)),
        added(0.5, &mut straight, &mut relayed),
        added(0.99, &mut straight, &mut relayed),
    );
    Ok(())
}

/// From the request, on a connection that is open, to the first record.
async fn first_record(address: SocketAddr) -> Result<Duration, Failure> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut scanner = Scanner::new(Tally::default());
    let mut buffer = [0; 4096];
    let began = Instant::now();
    socket.write_all(request("stamped:1000:1", address).as_bytes()).await?;
    while scanner.records == 0 {
        match socket.read(&mut buffer).await? {
            0 => return Err("the stream ended before its first record".into()),
            length => scanner.feed(&buffer[..length]),
        }
    }
    let took = began.elapsed();
    while !scanner.is_done {
        let length = socket.read(&mut buffer).await?;
        scanner.feed(&buffer[..length]);
    }
    Ok(took)
}
