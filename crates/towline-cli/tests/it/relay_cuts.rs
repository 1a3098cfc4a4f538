//! The real relay, behind a proxy that cuts connections, and killed and started again.

#[path = "../../../towline/tests/it/relay/cutter.rs"]
mod cutter;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towline::client::{Timeouts, host};
use towline::relay::{Reconnect, RelayConfig, Start, Via};
use towline::{ChatRequest, Client, Config};
use towline_testkit::{Server, fakemodel};

use crate::program::{Live, towline};
use cutter::Cutter;

#[expect(clippy::disallowed_methods, reason = "each of a test's readers stands for a program of its own")]
fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

fn relay(folder: &Path, listen: &str, upstream: &str) -> (Live, SocketAddr) {
    let (store, socket) = (folder.join("store"), format!("unix:{}", folder.join("relay.sock").display()));
    let store = store.to_str().unwrap();
    let listen = ["--listen", &socket, "--listen", listen];
    let mut relay = Live::start(&mut towline(
        ["relay", "--upstream", upstream, "--store", store].into_iter().chain(listen),
    ));
    relay.expect("listening on http://");
    let said = relay.stdout_text();
    let address = said.lines().find_map(|line| line.strip_prefix("listening on http://")).unwrap();
    let address = address.parse().unwrap();
    (relay, address)
}

fn client(url: &str) -> Client {
    let reconnect = Reconnect { first_wait: Duration::from_millis(5), ..Reconnect::default() };
    let relay = RelayConfig { reconnect, silence: Duration::from_millis(500), ..RelayConfig::default() };
    let timeouts = Timeouts {
        connect: Some(Duration::from_secs(5)),
        first_event: None,
        idle: None,
        record: None,
        total: None,
    };
    let config = Config { via: Via::Relay(relay), timeouts, ..Config::default() };
    Client::with_config(host::parse(url).unwrap(), config).unwrap()
}

/// The model's prompt and answer: long words, all different.
fn text(number: usize, bytes: usize) -> String {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let word =
        |random: &mut fastrand::Rng| (0..60).map(|_| format!("{:016x}", random.u64(..))).collect::<String>();
    (0..=bytes / 961).map(|_| word(&mut random)).collect::<Vec<_>>().join(" ")
}

async fn read_all(client: &Client, ids: &[String], bytes: usize) -> u32 {
    let readers: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| {
            let stream = client.attach(id, Start::Beginning);
            beside(async move {
                let outcome = stream.collect().await;
                assert!(outcome.is_completed(), "{number}: {outcome}");
                assert!(outcome.reply.text.trim() == text(number, bytes), "{number}: another text");
                outcome.stats.reconnects
            })
        })
        .collect();
    let mut reconnects = 0;
    for reader in readers {
        reconnects += reader.await.unwrap();
    }
    reconnects
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_lost_or_doubled_between_the_real_relay_and_its_readers() {
    let asked: Option<usize> = std::env::var("TOWLINE_CUTS").ok().and_then(|cuts| cuts.parse().ok());
    let (streams, bytes) = if asked.is_some() { (100, 1_000_000) } else { (10, 60_000) };
    let cuts = asked.unwrap_or(20);
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let model = Server::start(fakemodel::plan());
    let (mut running, address) = relay(folder.path(), "127.0.0.1:0", &model.url());

    // Submit and read live, while connections are cut.
    let each = bytes * streams / cuts;
    let live = Cutter::start(address, cuts / 2, each / 4..each, 1);
    let through = client(&live.url);
    let readers: Vec<_> = (0..streams)
        .map(|number| {
            let mut stream = through.chat(ChatRequest::new("echo").user(text(number, bytes)));
            beside(async move {
                let mut read = String::new();
                let mut id = None;
                loop {
                    match stream.next().await.unwrap() {
                        towline::Item::Event(towline::Event::Text(piece)) => read.push_str(&piece),
                        towline::Item::Event(_) => {}
                        towline::Item::End(outcome) => {
                            assert!(outcome.is_completed(), "{number}: {outcome}");
                            assert!(read.trim() == text(number, bytes), "{number}: another text");
                            return id.unwrap_or_default();
                        }
                    }
                    id = stream.relay_id().map(str::to_owned);
                }
            })
        })
        .collect();
    let mut ids = Vec::new();
    for reader in readers {
        ids.push(reader.await.unwrap());
    }
    let live_cuts = live.made();

    // Read again, while connections are cut and the relay is killed.
    let cutter = Cutter::start(address, cuts - cuts / 2, each / 4..each, 2);
    let through = client(&cutter.url);
    let reading = {
        let (ids, through) = (ids.clone(), through.clone());
        beside(async move { read_all(&through, &ids, bytes).await })
    };
    let mut kills = 0;
    while !reading.is_finished() && kills < (cuts / 20).max(2) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        running.signal(Signal::KILL);
        drop(running);
        kills += 1;
        running = relay(folder.path(), &address.to_string(), &model.url()).0;
    }
    let reconnects = reading.await.unwrap();
    let jobs = client(&format!("http://{address}")).relay().list(&Default::default()).await.unwrap();
    assert_eq!(jobs.len(), streams, "no request was run twice");
    println!(
        "{streams} streams of {bytes} bytes: {live_cuts} cuts live, {} cuts and {kills} kill -9 with {reconnects} reconnects, {:?}",
        cutter.made(),
        began.elapsed()
    );
}
