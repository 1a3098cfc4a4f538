//! Very many streams on few connections, some of them unread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use towline::{Event, Item};

use super::fake::{FakeLog, Relay};
use super::{client, client_with, done, piece, records};
use crate::client_support::{chat, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_block_nobody_and_miss_nothing() {
    const STREAMS: usize = 1000;
    const STALLED: usize = 100;
    const RECORDS: usize = 400;
    let record = "t".repeat(40);
    let relay = Relay::tcp(|_: &Value| FakeLog::open());
    let client = client_with(&relay.url, |relay| relay.queue_bytes = 16 << 10);
    let mut streams: Vec<_> = (0..STREAMS).map(|_| Some(client.chat(chat("m")))).collect();
    // Each has begun.
    let began = Arc::new(AtomicUsize::new(0));
    let mut waiting = Vec::new();
    for stream in &mut streams {
        let (mut stream, began) = (stream.take().unwrap(), Arc::clone(&began));
        waiting.push(super::beside(async move {
            let first = stream.next().await;
            began.fetch_add(1, Ordering::SeqCst);
            (first, stream)
        }));
    }
    super::until("all jobs", || relay.shared.jobs.lock().unwrap().len() == STREAMS).await;
    let logs: Vec<FakeLog> = relay.shared.jobs.lock().unwrap().iter().map(|job| job.log.clone()).collect();
    logs.iter().for_each(|log| log.push(&piece(&record)));
    let mut begun = Vec::new();
    for waiting in waiting {
        begun.push(soon(waiting).await.unwrap().1);
    }
    let stalled = begun.split_off(STREAMS - STALLED);

    let write = move || {
        for _ in 1..RECORDS {
            logs.iter().for_each(|log| log.push(&piece(&record)));
        }
        for log in logs {
            log.push(&done());
            log.close();
        }
    };
    let writing = tokio::task::spawn_blocking(write);
    let whole = RECORDS * 40;
    for stream in begun {
        let outcome = soon(stream.collect()).await;
        assert!(outcome.is_completed(), "{outcome}");
        assert_eq!((outcome.reply.text.len(), outcome.stats.reconnects), (whole, 0));
    }
    writing.await.unwrap();
    assert_eq!(relay.counts().connections, 1);
    // Their queues are full, and the relay has disconnected them.
    super::until("only readers that fit are left", || relay.counts().reads == 0).await;
    for stream in stalled {
        let outcome = soon(stream.collect()).await;
        assert!(outcome.is_completed(), "{outcome}");
        assert_eq!((outcome.reply.text.len(), outcome.stats.reconnects), (whole, 0));
    }
    assert!(relay.count("GET /streams") > STREAMS, "what was missing was asked for again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_spread_over_few_connections() {
    let streams: usize = asked_for().unwrap_or(3000);
    let relay = Relay::tcp(|_: &Value| FakeLog::open());
    let client = client(&relay.url);
    let readers: Vec<_> = (0..streams).map(|_| super::beside(client.chat(chat("m")).collect())).collect();
    super::until("all jobs", || relay.counts().reads == streams).await;
    for job in relay.shared.jobs.lock().unwrap().iter() {
        job.log.push(&records(&["whole"]));
        job.log.close();
    }
    for reader in readers {
        assert!(soon(reader).await.unwrap().is_completed());
    }
    let connections = relay.counts().connections;
    assert!((3..=8).contains(&connections), "{connections}");
    println!("{streams} streams over {connections} connections");
}

/// The number of streams to measure, if the environment sets it.
fn asked_for() -> Option<usize> {
    std::env::var("TOWLINE_STREAMS").ok()?.parse().ok()
}

/// The latency of a record, with and without stalled readers. Run it alone, in release mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_of_readers_when_asked_for() {
    let Some(streams) = asked_for() else { return };
    for stalled in [0, streams / 10] {
        let relay = Relay::tcp(|_: &Value| FakeLog::open());
        let client = client_with(&relay.url, |relay| relay.queue_bytes = 16 << 10);
        let began = Instant::now();
        let readers: Vec<_> = (0..streams)
            .map(|number| {
                let mut stream = client.chat(chat("m"));
                super::beside(async move {
                    let mut delays = Vec::new();
                    if number < stalled {
                        stream.next().await;
                        // Long enough for everything to be written.
                        tokio::time::sleep(Duration::from_secs(6)).await;
                    }
                    loop {
                        match stream.next().await.unwrap() {
                            Item::Event(Event::Text(text)) if number >= stalled => {
                                let sent: u64 = text.trim().parse().unwrap();
                                delays.push(began.elapsed().as_micros() as u64 - sent);
                            }
                            Item::Event(_) => {}
                            Item::End(outcome) => {
                                assert!(outcome.is_completed(), "{outcome}");
                                return delays;
                            }
                        }
                    }
                })
            })
            .collect();
        super::until("all jobs", || relay.counts().reads == streams).await;
        let logs: Vec<FakeLog> =
            relay.shared.jobs.lock().unwrap().iter().map(|job| job.log.clone()).collect();
        tokio::task::spawn_blocking(move || {
            // 30 records a second for 5 seconds, spread over each 33 ms.
            for round in 0..150_u32 {
                for (number, log) in logs.iter().enumerate() {
                    let due = Duration::from_micros(33_333) * round
                        + Duration::from_micros(33_333) * number as u32 / logs.len() as u32;
                    while began.elapsed() < due {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    log.push(&piece(&format!("{:<40}", began.elapsed().as_micros())));
                }
            }
            for log in logs {
                log.push(&done());
                log.close();
            }
        })
        .await
        .unwrap();
        let mut delays = Vec::new();
        for reader in readers {
            delays.extend(soon(reader).await.unwrap());
        }
        delays.sort_unstable();
        let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize];
        println!(
            "{streams} streams, {stalled} not read, {} connections: {} records, p50 {} us, p99 {} us, worst {} us",
            relay.counts().connections,
            delays.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
