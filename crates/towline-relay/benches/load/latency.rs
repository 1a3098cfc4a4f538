//! What is added to each record, and what it costs in processor time, beside nginx.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::figures::{load, ms, quantile};
use crate::process::Running;
use crate::stamps::{Scanner, Tally};

/// Records a second on each stream.
const RATE: usize = 30;
/// Time between two streams' begins, so that their records do not come all at once.
const BETWEEN: Duration = Duration::from_millis(2);
const SETTLE: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(8);

/// One way's figures.
struct Side {
    half: f64,
    most: f64,
    cpu_us: Option<f64>,
}

pub(crate) async fn run() -> Result<(), Failure> {
    for count in [1, 1000] {
        println!(
            "\nlatency: {count} streams × {RATE} records a second, one HTTP/1.1 connection each, load {}",
            load()
        );
        let server = Running::server()?;
        let straight = side("straight", server.address, None, count).await?;
        let nginx = match Running::nginx(server.address)? {
            Some(nginx) => Some(side("nginx", nginx.address, Some(&nginx), count).await?),
            None => {
                println!("  nginx is not installed: nothing to compare the processor time with");
                None
            }
        };
        let relay = Running::relay(server.address)?;
        let relayed = side("relay", relay.address, Some(&relay), count).await?;
        println!(
            "  added by the relay: p50 {:.3} ms, p99 {:.3} ms   (target p50 ≤ 0.2 ms, p99 ≤ 5 ms)",
            relayed.half - straight.half,
            relayed.most - straight.most
        );
        if let Some(nginx) = nginx {
            println!(
                "  added by nginx: p50 {:.3} ms, p99 {:.3} ms",
                nginx.half - straight.half,
                nginx.most - straight.most
            );
            if let (Some(ours), Some(theirs)) = (relayed.cpu_us, nginx.cpu_us) {
                println!("  processor time, relay to nginx: {:.2}   (target ≤ 3)", ours / theirs);
            }
        }
        println!("  the relay has {:.1} MB resident", relay.resident_bytes() as f64 / 1e6);
    }
    Ok(())
}

async fn side(
    name: &str,
    address: SocketAddr,
    process: Option<&Running>,
    count: usize,
) -> Result<Side, Failure> {
    let tally = Tally::default();
    let whole = BETWEEN * count as u32 + SETTLE + WINDOW;
    // They outlast the window and are dropped with their readers.
    let model = format!("stamped:{RATE}:{}", RATE * (whole.as_secs() as usize + 60));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..count {
        readers.spawn(read(address, model.clone(), tally.clone()));
        tokio::time::sleep(BETWEEN).await;
    }
    tokio::time::sleep(SETTLE).await;
    let before = process.map(Running::cpu);
    tally.switch(true);
    tokio::time::sleep(WINDOW).await;
    tally.switch(false);
    let cpu = process.map(Running::cpu).zip(before).map(|(after, before)| after - before);
    if let Some(ended) = readers.try_join_next() {
        ended??;
        return Err(format!("{name}: a stream ended early").into());
    }
    let mut seen = tally.take();
    let records = seen.ages.len();
    let side = Side {
        half: ms(quantile(&mut seen.ages, 0.5)),
        most: ms(quantile(&mut seen.ages, 0.99)),
        cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / records as f64),
    };
    let cpu = side.cpu_us.map_or_else(String::new, |cpu| format!(", {cpu:.1} µs of processor time a record"));
    println!("  {name:<9} p50 {:.3} ms, p99 {:.3} ms, {records} records{cpu}", side.half, side.most);
    Ok(side)
}

async fn read(address: SocketAddr, model: String, tally: Tally) -> Result<(), Failure> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request(&model, address).as_bytes()).await?;
    let mut scanner = Scanner::new(tally);
    let mut buffer = vec![0; 4096];
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(()),
            length => scanner.feed(&buffer[..length]),
        }
    }
}

/// A chat over HTTP/1.1.
pub(crate) fn request(model: &str, address: SocketAddr) -> String {
    let body = body(model);
    format!(
        "POST /api/chat HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn body(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[],"stream":true}}"#)
}
