//! (g) Thousands of paced streams in one process, each kind in a process of its own.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::JoinSet;
use towline::engine::{Reader, StartAt};
use towline::{ChatRequest, Engine, EngineConfig, Event, Item, Stream};

use crate::contender::{CLIENT, COUNTER, ENGINE, HTTP2_CLIENT, HTTP2_ENGINE, client};
use crate::counter;
use crate::http2_counter::{self, H2_ALONE};
use crate::measure::{process_cpu, quantile, resident_bytes, runtime};
use crate::peer::Peer;

/// Digits of a stamp: nanoseconds since 1970.
const STAMP_DIGITS: usize = 19;

/// Streams, records a second of each, records of each: 20,000 records a second in all, for ten seconds.
const SIZES: [(usize, usize, usize); 2] = [(1_000, 20, 200), (10_000, 2, 20)];

pub(crate) fn run() {
    compare(&[COUNTER, CLIENT, ENGINE].map(|contender| (contender, "serve")));
}

/// Prints what each contender costs, with a server that is started with this argument.
pub(crate) fn compare(contenders: &[(&str, &str)]) {
    println!(
        "| streams at 20,000 records/s in all | program | lost | delivery p50 | p99 | memory a stream | CPU a record |\n\
         |---|---|---|---|---|---|---|"
    );
    for (streams, rate, records) in SIZES {
        for (contender, role) in contenders {
            let peer = Peer::start_as(role);
            let numbers = [streams, rate, records].map(|number| number.to_string());
            let run = Command::new(std::env::current_exe().unwrap())
                .args(["many", contender, &peer.url()])
                .args(numbers)
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            print!("{}", String::from_utf8_lossy(&run.stdout));
        }
    }
}

/// The process that is measured.
pub(crate) fn measured(contender: &str, url: &str, streams: usize, rate: usize, records: usize) {
    let model = format!("stamped:{rate}:{records}");
    let runtime = runtime();
    // All of it is touched before anything is measured.
    let mut delays = vec![1; streams * records];
    delays.clear();
    let tally = Arc::new(Tally { delays: Mutex::new(delays), ..Tally::default() });
    let idle_bytes = resident_bytes();
    let client = client(contender, url);
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let (in_use_bytes, cpu) = runtime.block_on(async {
        let mut running = JoinSet::new();
        // A job and its reader's each.
        let config = EngineConfig { max_running: 2 * streams, ..EngineConfig::default() };
        let engine = Engine::start(config).unwrap();
        let connections = if contender == H2_ALONE {
            http2_counter::connect_for(address, streams).await
        } else {
            Vec::new()
        };
        for number in 0..streams {
            let delivered = Delivered { tally: Arc::clone(&tally), has_begun: false };
            let model = model.clone();
            let request = ChatRequest::new(&model).user("Hi");
            match contender {
                CLIENT | HTTP2_CLIENT => {
                    let mut stream = client.chat(request);
                    // By reference: an async function would hold its argument twice.
                    running.spawn(async move { of_client(&mut stream, delivered).await });
                }
                ENGINE | HTTP2_ENGINE => {
                    let reader = engine.chat(&client, request).reader(StartAt::Beginning);
                    let task = engine.spawn("reader", of_engine(reader, delivered));
                    running.spawn(async { task.await.unwrap() });
                }
                H2_ALONE => {
                    let connection = connections[number % connections.len()].clone();
                    running.spawn(of_h2(connection, model, delivered));
                }
                _ => drop(running.spawn(of_counter(address, model, delivered))),
            }
        }
        while tally.started.load(Ordering::Relaxed) < streams {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // From here on all of them only stream. The server has caught up after one more record of each.
        tokio::time::sleep(Duration::from_secs_f64(1.0 / rate as f64)).await;
        let (before, in_use) = (process_cpu(), resident_bytes());
        let window = Duration::from_secs_f64(records as f64 / rate as f64 * 0.6);
        tally.is_measured.store(true, Ordering::Relaxed);
        tokio::time::sleep(window).await;
        tally.is_measured.store(false, Ordering::Relaxed);
        let spent = process_cpu() - before;
        let per_record = spent.as_nanos() as f64 / (window.as_secs_f64() * (rate * streams) as f64);
        while let Some(of_one) = running.join_next().await {
            of_one.unwrap();
        }
        (in_use, per_record)
    });
    let lost = streams * records - tally.records.load(Ordering::Relaxed);
    let mut delays = tally.delays.lock().unwrap();
    let [p50, p99] = [0.5, 0.99].map(|share| f64::from(quantile(&mut delays, share)) / 1e3);
    let memory = in_use_bytes.saturating_sub(idle_bytes) as f64 / streams as f64 / 1024.0;
    println!(
        "| {streams} | {contender} | {lost} | {p50:.0} µs | {p99:.0} µs | {memory:.1} KB | {cpu:.0} ns |"
    );
}

/// What was delivered, of all streams.
#[derive(Default)]
struct Tally {
    /// Streams that have received a record.
    started: AtomicUsize,
    records: AtomicUsize,
    /// All streams have started and none has ended.
    is_measured: AtomicBool,
    /// Of the records that were delivered meanwhile.
    delays: Mutex<Vec<u32>>,
}

/// One stream's part in it.
struct Delivered {
    tally: Arc<Tally>,
    has_begun: bool,
}

impl Delivered {
    /// A text that begins with the moment it was sent.
    fn stamp(&mut self, stamp: &[u8]) {
        let sent = stamp.iter().fold(0, |value, digit| value * 10 + u128::from(digit - b'0'));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let delay = u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX);
        self.tally.records.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.has_begun, true) {
            self.tally.started.fetch_add(1, Ordering::Relaxed);
        }
        if self.tally.is_measured.load(Ordering::Relaxed) {
            self.tally.delays.lock().unwrap().push(delay);
        }
    }

    /// For a program that does not parse. A record that is cut in two counts as lost: only one that joins pieces
    /// could tell.
    fn find_stamps(&mut self, bytes: &[u8]) {
        const CONTENT: &[u8] = b"\"content\":\"";
        for at in memchr::memmem::find_iter(bytes, CONTENT) {
            let stamp = bytes[at + CONTENT.len()..].get(..STAMP_DIGITS);
            if let Some(stamp) = stamp.filter(|stamp| stamp.iter().all(u8::is_ascii_digit)) {
                self.stamp(stamp);
            }
        }
    }
}

async fn of_client(stream: &mut Stream, mut delivered: Delivered) {
    while let Some(item) = stream.next().await {
        match item {
            Item::Event(Event::Text(text)) => delivered.stamp(&text.as_bytes()[..STAMP_DIGITS]),
            Item::Event(_) => {}
            Item::End(outcome) => assert!(outcome.is_completed(), "{outcome:?}"),
        }
    }
}

async fn of_engine(mut reader: Reader, mut delivered: Delivered) {
    while let Some(batch) = reader.next().await {
        for event in batch.events {
            let Event::Text(text) = event else { continue };
            text.as_bytes().chunks(STAMP_DIGITS + 1).for_each(|text| delivered.stamp(&text[..STAMP_DIGITS]));
        }
        assert!(batch.outcome.is_none_or(|outcome| outcome.is_completed()));
    }
}

async fn of_counter(address: SocketAddr, model: String, mut delivered: Delivered) {
    let mut socket = counter::connect(address).await;
    counter::count_with(&mut socket, &model, &mut [0; 2048], |bytes| delivered.find_stamps(bytes)).await;
}

async fn of_h2(connection: SendRequest<Bytes>, model: String, mut delivered: Delivered) {
    http2_counter::count_with(connection, &model, |bytes| delivered.find_stamps(bytes)).await;
}
