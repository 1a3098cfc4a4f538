//! A thousand streams over one connection, a tenth of whose readers have stopped reading.

use std::time::Duration;

use crate::Failure;
use crate::figures::{load, ms, quantile};
use crate::http2::Connection;
use crate::process::Running;
use crate::stamps::{Scanner, Tally};

const STREAMS: usize = 1000;
const STALLED: usize = 100;
const RATE: usize = 30;
const BETWEEN: Duration = Duration::from_millis(2);
/// Long enough for a stalled reader to fill its window of 64 KiB.
const SETTLE: Duration = Duration::from_secs(16);
const WINDOW: Duration = Duration::from_secs(8);

pub(crate) async fn run() -> Result<(), Failure> {
    println!(
        "\nmux: {STREAMS} streams × {RATE} records a second over one HTTP/2 connection, load {}",
        load()
    );
    for stalled in [0, STALLED] {
        let server = Running::server()?;
        let relay = Running::relay(server.address)?;
        let connection = Connection::open(relay.address).await?;
        let tally = Tally::default();
        let mut readers = tokio::task::JoinSet::new();
        let mut unread = Vec::new();
        let model = format!("stamped:{RATE}:{}", RATE * 120);
        for nth in 0..STREAMS {
            let mut stream = connection.chat(&model).await?;
            if nth < stalled {
                unread.push(stream);
                continue;
            }
            let tally = tally.clone();
            readers.spawn(async move {
                let mut scanner = Scanner::new(tally);
                while let Some(frame) = stream.data().await {
                    let frame = frame?;
                    stream.flow_control().release_capacity(frame.len())?;
                    scanner.feed(&frame);
                }
                Ok::<_, Failure>(())
            });
            tokio::time::sleep(BETWEEN).await;
        }
        tokio::time::sleep(SETTLE).await;
        let cpu = relay.cpu();
        tally.switch(true);
        tokio::time::sleep(WINDOW).await;
        tally.switch(false);
        let cpu = relay.cpu() - cpu;
        if let Some(ended) = readers.try_join_next() {
            ended??;
            return Err("a stream ended early".into());
        }
        let mut seen = tally.take();
        println!(
            "  {stalled:>3} stalled: healthy p50 {:.3} ms, p99 {:.3} ms, {} records, {:.1} µs of processor time a record, \
             {:.1} MB resident   (target p99 ≤ 20 ms)",
            ms(quantile(&mut seen.ages, 0.5)),
            ms(quantile(&mut seen.ages, 0.99)),
            seen.ages.len(),
            cpu.as_secs_f64() * 1e6 / seen.ages.len() as f64,
            relay.resident_bytes() as f64 / 1e6,
        );
    }
    Ok(())
}
