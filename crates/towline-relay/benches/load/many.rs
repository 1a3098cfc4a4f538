//! Ten thousand streams over eight connections, to their ends.

use std::time::Instant;

use crate::Failure;
use crate::figures::load;
use crate::http2::Connection;
use crate::process::Running;
use crate::stamps::{Scanner, Tally};

const STREAMS: usize = 10_000;
const CONNECTIONS: usize = 8;
const RECORDS: u64 = 40;

pub(crate) async fn run() -> Result<(), Failure> {
    println!("\nmany: {STREAMS} streams over {CONNECTIONS} HTTP/2 connections, load {}", load());
    let server = Running::server()?;
    let relay = Running::relay(server.address)?;
    let began = Instant::now();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(relay.address).await?);
    }
    let mut readers = tokio::task::JoinSet::new();
    for nth in 0..STREAMS {
        let connection = connections[nth % CONNECTIONS].clone();
        readers.spawn(async move {
            let mut stream = connection.chat(&format!("stamped:2:{RECORDS}")).await?;
            let mut scanner = Scanner::new(Tally::default());
            while let Some(frame) = stream.data().await {
                let frame = frame?;
                stream.flow_control().release_capacity(frame.len())?;
                scanner.feed(&frame);
            }
            Ok::<_, Failure>(scanner.is_done && scanner.records == RECORDS)
        });
    }
    let mut whole = 0;
    while let Some(ended) = readers.join_next().await {
        match ended? {
            Ok(true) => whole += 1,
            Ok(false) => {}
            Err(error) => println!("  {error}"),
        }
    }
    println!(
        "  {whole} of {STREAMS} ended whole after {:.1} s; the relay has {:.1} MB resident   (target: all)",
        began.elapsed().as_secs_f64(),
        relay.resident_bytes() as f64 / 1e6,
    );
    Ok(())
}
