//! Connections that break in every way, while texts stay complete.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use towline::{Event, Item};

use super::cutter::Cutter;
use super::fake::{FakeLog, Relay};
use super::{client_with, done, piece};
use crate::client_support::chat;

/// The answer of the model with this name.
fn text(model: &str, bytes: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(model.bytes().map(u64::from).sum());
    let mut pieces = Vec::new();
    let mut length = 0;
    while length < bytes {
        let word = format!("{:x} é ", random.u64(..));
        length += word.len();
        pieces.push(word);
    }
    pieces
}

fn sum(pieces: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut sum = Sha256::new();
    for piece in pieces {
        sum.update(piece.as_ref());
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A relay whose upstream writes while it is read.
fn relay(bytes: usize) -> Relay {
    Relay::tcp(move |request: &Value| {
        let (log, pieces) = (FakeLog::open(), text(request["model"].as_str().unwrap(), bytes));
        let growing = log.clone();
        std::thread::spawn(move || {
            for some in pieces.chunks(64) {
                let records: Vec<u8> = some.iter().flat_map(|text| piece(text)).collect();
                growing.push(&records);
                std::thread::yield_now();
            }
            growing.push(&done());
            growing.close();
        });
        log
    })
}

/// Checks that every stream has its source's text, and that all together were cut this often.
async fn cut_streams(streams: usize, bytes: usize, cuts: usize, seed: u64) -> (usize, u32) {
    let relay = relay(bytes);
    let target = relay.url.strip_prefix("http://").unwrap().parse().unwrap();
    // About three bytes of log for one of text, and no more cuts than the log allows.
    let each = 3 * bytes * streams / cuts;
    let cutter = Cutter::start(target, cuts, each / 4..each, seed);
    let client = client_with(&cutter.url, |relay| relay.silence = Duration::from_millis(150))
        .with_request_config(|config| config.timeouts.idle = None);
    let reading = (0..streams).map(|number| {
        let (client, model) = (client.clone(), format!("m{number}"));
        super::beside(async move {
            let mut stream = client.chat(chat(&model));
            let mut sums = Sha256::new();
            loop {
                match stream.next().await.unwrap() {
                    Item::Event(Event::Text(text)) => sums.update(text),
                    Item::Event(_) => {}
                    Item::End(outcome) => {
                        let read: String = sums.finalize().iter().map(|b| format!("{b:02x}")).collect();
                        assert!(outcome.is_completed(), "{model}, seed {seed}: {outcome}");
                        assert_eq!(read, sum(text(&model, bytes)), "{model}, seed {seed}");
                        return outcome.stats.reconnects;
                    }
                }
            }
        })
    });
    let mut reconnects = 0;
    for reader in reading.collect::<Vec<_>>() {
        reconnects += reader.await.unwrap();
    }
    assert!(
        reconnects as usize >= cutter.made().min(cuts) / 2,
        "{reconnects} reconnects, {} cuts",
        cutter.made()
    );
    assert!(cutter.made() > cuts / 2, "{} cuts", cutter.made());
    assert_eq!(relay.shared.jobs.lock().unwrap().len(), streams, "no request was run twice");
    (cutter.made(), reconnects)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_lost_or_doubled_whatever_breaks() {
    cut_streams(20, 100_000, 40, 1).await;
}

/// The relay itself stops and restarts repeatedly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_lost_or_doubled_when_the_relay_is_restarted() {
    let bytes = 300_000;
    let relay = relay(bytes);
    let client = client_with(&relay.url, |_| ());
    let reading: Vec<_> = (0..10)
        .map(|number| {
            let (client, model) = (client.clone(), format!("m{number}"));
            super::beside(async move {
                let outcome = client.chat(chat(&model)).collect().await;
                assert!(outcome.is_completed(), "{model}: {outcome}");
                assert_eq!(sum([&outcome.reply.text]), sum(text(&model, bytes)), "{model}");
            })
        })
        .collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        relay.kill();
        relay.revive();
    }
    for reader in reading {
        reader.await.unwrap();
    }
    assert_eq!(relay.shared.jobs.lock().unwrap().len(), 10, "no request was run twice");
}

/// The full test, as CONTRIBUTING describes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cuts_when_asked_for() {
    let Some(cuts) = std::env::var("TOWLINE_CUTS").ok().and_then(|cuts| cuts.parse().ok()) else { return };
    let seed = std::env::var("TOWLINE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let began = std::time::Instant::now();
    let (made, reconnects) = cut_streams(100, 1_000_000, cuts, seed).await;
    println!("100 streams of 1 MB, seed {seed}: {made} cuts, {reconnects} reconnects, {:?}", began.elapsed());
}
