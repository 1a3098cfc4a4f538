//! Very many streams on few connections, of which some are not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::fake::{Log, Relay};
use super::{client, client_with, done, piece, records};
use crate::client_support::{chat, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_hold_up_nobody_and_miss_nothing() {
    const STREAMS: usize = 1000;
    const STALLED: usize = 100;
    const RECORDS: usize = 400;
    let record = "t".repeat(40);
    let relay = Relay::tcp(|_: &Value| Log::open());
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
    let logs: Vec<Log> = relay.shared.jobs.lock().unwrap().iter().map(|job| job.log.clone()).collect();
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
    // Their queues are full, and the relay has got rid of them.
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
    const STREAMS: usize = 3000;
    let relay = Relay::tcp(|_: &Value| Log::open());
    let client = client(&relay.url);
    let readers: Vec<_> = (0..STREAMS).map(|_| super::beside(client.chat(chat("m")).collect())).collect();
    super::until("all jobs", || relay.counts().reads == STREAMS).await;
    for job in relay.shared.jobs.lock().unwrap().iter() {
        job.log.push(&records(&["whole"]));
        job.log.close();
    }
    for reader in readers {
        assert!(soon(reader).await.unwrap().is_completed());
    }
    let connections = relay.counts().connections;
    assert!((3..=8).contains(&connections), "{connections}");
}
