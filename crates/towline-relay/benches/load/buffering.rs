//! Adaptive buffering beside none and beside a fixed window: how large frames are, how many, and how late.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Failure;
use crate::delay;
use crate::figures::{load, ms, quantile};
use crate::http2::Connection;
use crate::naive;
use crate::process::Running;
use crate::stamps::{Scanner, Seen, Tally};

/// Records a second.
const RATE: usize = 1000;
const SETTLE: Duration = Duration::from_secs(4);
const WINDOW: Duration = Duration::from_secs(6);
/// A record on the wire, about, in bytes.
const RECORD_BYTES: usize = 130;
const BEHIND: usize = 10;
const FIXED: Duration = Duration::from_millis(50);

pub(crate) async fn run() -> Result<(), Failure> {
    println!("\nbuffering: one stream × {RATE} records a second over HTTP/2, load {}", load());
    println!("  round trip | reader | sender | bytes a frame | frames/s | age p50 / p99, ms");
    let server = Running::server()?;
    let relay = Running::relay(server.address)?;
    let model = format!("stamped:{RATE}:{}", RATE * 60);
    let each = naive::proxy(server.address, model.clone(), None).await?;
    let fixed = naive::proxy(server.address, model.clone(), Some(FIXED)).await?;
    for round_trip in [0, 50, 200] {
        for (reader, is_behind) in [("idle", false), ("10× behind", true)] {
            for (sender, address) in [("relay", relay.address), ("each record", each), ("50 ms", fixed)] {
                let one_way = Duration::from_millis(round_trip) / 2;
                let mut seen = measure(address, one_way, &model, is_behind).await?;
                println!(
                    "  {round_trip:>3} ms | {reader:<10} | {sender:<11} | {:>7.0} | {:>6.0} | {:.1} / {:.1}",
                    seen.bytes as f64 / seen.pieces.max(1) as f64,
                    seen.pieces as f64 / WINDOW.as_secs_f64(),
                    ms(quantile(&mut seen.ages, 0.5)) - ms(one_way),
                    ms(quantile(&mut seen.ages, 0.99)) - ms(one_way),
                );
            }
        }
    }
    Ok(())
}

async fn measure(to: SocketAddr, one_way: Duration, model: &str, is_behind: bool) -> Result<Seen, Failure> {
    let address = if one_way.is_zero() { to } else { delay::line(to, one_way).await? };
    let connection = Connection::open(address).await?;
    let mut stream = connection.chat(model).await?;
    let tally = Tally::default();
    let mut scanner = Scanner::new(tally.clone());
    let began = tokio::time::Instant::now();
    let pace = (RATE * RECORD_BYTES / BEHIND) as f64;
    let mut read = 0;
    while began.elapsed() < SETTLE + WINDOW {
        tally.switch(began.elapsed() >= SETTLE);
        let frame = stream.data().await.ok_or("the stream ended early")??;
        scanner.feed(&frame);
        read += frame.len();
        if is_behind {
            tokio::time::sleep_until(began + Duration::from_secs_f64(read as f64 / pace)).await;
        }
        stream.flow_control().release_capacity(frame.len())?;
    }
    Ok(tally.take())
}
