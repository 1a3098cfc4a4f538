//! (c) Time from the request to the first event, on a connection that is there and on one that is not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline::client::{PoolConfig, TransportConfig, host};
use towline::engine::StartAt;
use towline::{ChatRequest, Client, Engine, EngineConfig, Item, Stream};

use crate::counter;
use crate::instructions;
use crate::measure::{quantile, runtime, thread_cpu};
use crate::peer::Peer;

const ROUNDS: usize = 4000;

/// Requests of one record, each on a connection of its own or all on one.
pub(crate) const COLD_COUNTER: &str = "newline counter, cold";
pub(crate) const COLD_CLIENT: &str = "towline Client, cold";
pub(crate) const WARM_CLIENT: &str = "towline Client, warm";

/// One record, then the end.
const MODEL: &str = "flat:1";

pub(crate) fn run() {
    let peer = Peer::start();
    println!(
        "| time to the first event | counter p50 | own p50 | added p50 | added p90 | CPU added |\n|---|---|---|---|---|---|"
    );
    for (name, keeps) in [("client, warm", true), ("client, cold", false)] {
        let client = client(&peer.address.to_string(), keeps);
        runtime().block_on(compare(name, peer.address, keeps, || of_client(client.chat(request()))));
    }
    let engine = Engine::start(EngineConfig::default()).unwrap();
    let (client, jobs, address) = (client(&peer.address.to_string(), true), engine.clone(), peer.address);
    // Both are read on the engine's own runtime.
    let rounds = async move { compare("job, warm", address, true, || of_job(&jobs, &client)).await };
    engine.spawn("rounds", rounds).wait().unwrap().unwrap();
}

fn request() -> ChatRequest {
    ChatRequest::new(MODEL).user("Hi")
}

/// Prints how much later the first event is than at the counter, which takes turns with `once`.
async fn compare<F: Future<Output = Duration>>(
    name: &str,
    address: SocketAddr,
    keeps: bool,
    once: impl Fn() -> F,
) {
    let (mut by_counter, mut own) = (Vec::new(), Vec::new());
    let (mut counter_cpu, mut own_cpu) = (Vec::new(), Vec::new());
    let mut socket = None;
    for _ in 0..ROUNDS {
        let before = thread_cpu();
        let (took, used) = of_counter(address, socket.take()).await;
        counter_cpu.push(thread_cpu() - before);
        socket = Some(used).filter(|_| keeps);
        by_counter.push(took);
        let before = thread_cpu();
        own.push(once().await);
        own_cpu.push(thread_cpu() - before);
    }
    // The first of all is never warm.
    by_counter.swap_remove(0);
    own.swap_remove(0);
    let [floor, ours] = [&mut by_counter, &mut own].map(|times| quantile(times, 0.5));
    let [floor_90, ours_90] = [&mut by_counter, &mut own].map(|times| quantile(times, 0.9));
    let [floor_cpu, our_cpu] = [&mut counter_cpu, &mut own_cpu].map(|times| quantile(times, 0.5));
    let added = ours.saturating_sub(floor);
    let added_90 = ours_90.saturating_sub(floor_90);
    let cpu = our_cpu.saturating_sub(floor_cpu);
    println!("| {name} | {floor:.1?} | {ours:.1?} | {added:.1?} | {added_90:.1?} | {cpu:.1?} |");
}

/// Prints what a request of one record costs.
pub(crate) fn instructions() {
    let peer = Peer::start();
    println!("\n| a request of one record | instructions |\n|---|---|");
    for contender in [COLD_COUNTER, COLD_CLIENT, WARM_CLIENT] {
        println!("| {contender} | {:.0} |", instructions::between(contender, &peer.url(), "flat", 100, 300));
    }
}

/// So many requests of one record, one after the other.
pub(crate) fn requests(contender: &str, url: &str, number: u64) {
    let client = client(url, contender == WARM_CLIENT);
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    runtime().block_on(async {
        for _ in 0..number {
            if contender == COLD_COUNTER {
                counter::count(&mut counter::connect(address).await, MODEL).await;
            } else {
                let outcome = client.chat(request()).collect().await;
                assert!(outcome.is_completed());
            }
        }
    });
}

/// A client that keeps its connection for the next request, or never does.
fn client(url: &str, keeps: bool) -> Client {
    let max_idle_per_host = if keeps { 1 } else { 0 };
    let pool = PoolConfig { max_idle_per_host, ..PoolConfig::default() };
    let transport = TransportConfig { pool, ..TransportConfig::default() };
    let config = towline::Config { transport, ..towline::Config::default() };
    Client::with_config(host::parse(url).unwrap(), config).unwrap()
}

async fn of_counter(
    address: SocketAddr,
    socket: Option<tokio::net::TcpStream>,
) -> (Duration, tokio::net::TcpStream) {
    let request = counter::request(MODEL);
    let mut buffer = vec![0; 64 * 1024];
    let before = Instant::now();
    let mut socket = match socket {
        Some(socket) => socket,
        None => counter::connect(address).await,
    };
    socket.write_all(&request).await.unwrap();
    let mut filled = 0;
    while memchr::memchr(b'{', &buffer[..filled]).is_none() {
        filled += socket.read(&mut buffer[filled..]).await.unwrap();
    }
    let took = before.elapsed();
    while !buffer[..filled].ends_with(counter::LAST_CHUNK) {
        filled += socket.read(&mut buffer[filled..]).await.unwrap();
    }
    (took, socket)
}

async fn of_client(mut stream: Stream) -> Duration {
    let before = Instant::now();
    let first = stream.next().await.unwrap();
    let took = before.elapsed();
    assert!(matches!(first, Item::Event(_)), "{first:?}");
    assert!(stream.collect().await.is_completed());
    took
}

/// The time includes the submit.
async fn of_job(engine: &Engine, client: &Client) -> Duration {
    let request = request();
    let before = Instant::now();
    let mut reader = engine.chat(client, request).reader(StartAt::Beginning);
    let mut batch = reader.next().await.unwrap();
    let took = before.elapsed();
    assert!(!batch.events.is_empty());
    while batch.outcome.is_none() {
        batch = reader.next().await.unwrap();
    }
    took
}
