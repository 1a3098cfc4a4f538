//! (c) Time from the request to the first event, on a connection that is there and on one that is not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline::{ChatRequest, Client, Item, PoolConfig, TransportConfig, host};
use towline_testkit::records::ollama;
use towline_testkit::{Body, http};

use crate::counter;
use crate::measure::{quantile, runtime};

const ROUNDS: usize = 4000;

pub(crate) fn run() {
    let address = serve();
    let runtime = runtime();
    println!(
        "| time to the first event | counter p50 | Client p50 | added p50 | added p90 |\n|---|---|---|---|---|"
    );
    for (name, keeps) in [("warm", true), ("cold", false)] {
        let client = client(address, keeps);
        let (mut by_counter, mut by_client) = (Vec::new(), Vec::new());
        runtime.block_on(async {
            let mut socket = None;
            for _ in 0..ROUNDS {
                let (took, used) = of_counter(address, socket.take()).await;
                socket = Some(used).filter(|_| keeps);
                by_counter.push(took);
                by_client.push(of_client(&client).await);
            }
            // The first of all is never warm.
            by_counter.swap_remove(0);
            by_client.swap_remove(0);
        });
        let [floor, ours] = [&mut by_counter, &mut by_client].map(|times| quantile(times, 0.5));
        let [floor_90, ours_90] = [&mut by_counter, &mut by_client].map(|times| quantile(times, 0.9));
        let added = ours.saturating_sub(floor);
        println!(
            "| {name} | {floor:.1?} | {ours:.1?} | {added:.1?} | {:.1?} |",
            ours_90.saturating_sub(floor_90)
        );
    }
}

fn client(address: SocketAddr, keeps: bool) -> Client {
    let max_idle_per_host = if keeps { 1 } else { 0 };
    let pool = PoolConfig { max_idle_per_host, ..PoolConfig::default() };
    let transport = TransportConfig { pool, ..TransportConfig::default() };
    let config = towline::Config { transport, ..towline::Config::default() };
    Client::with_config(host::parse(&address.to_string()).unwrap().endpoint, config).unwrap()
}

async fn of_counter(
    address: SocketAddr,
    socket: Option<tokio::net::TcpStream>,
) -> (Duration, tokio::net::TcpStream) {
    let request = counter::request("m");
    let mut buffer = vec![0; 64 * 1024];
    let before = Instant::now();
    let mut socket = match socket {
        Some(socket) => socket,
        None => counter::connect(address).await,
    };
    socket.write_all(&request).await.unwrap();
    let bytes = socket.read(&mut buffer).await.unwrap();
    assert!(memchr::memchr(b'{', &buffer[..bytes]).is_some(), "the answer comes in one piece");
    (before.elapsed(), socket)
}

async fn of_client(client: &Client) -> Duration {
    let before = Instant::now();
    let mut stream = client.chat(ChatRequest::new("m").user("Hi"));
    let first = stream.next().await.unwrap();
    let took = before.elapsed();
    assert!(matches!(first, Item::Event(_)), "{first:?}");
    assert!(stream.collect().await.is_completed());
    took
}

/// Answers each request with the same bytes in one write.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut answer = http::response_head(200, &[("Content-Type", http::NDJSON)], Body::Chunked);
    for line in ollama::chat(&[" river"]) {
        answer.extend_from_slice(&http::chunk(http::line(line)));
    }
    answer.extend_from_slice(http::LAST_CHUNK);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, answer) = (socket.unwrap(), answer.clone());
            socket.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                while let Ok(1..) = socket.read(&mut [0; 4096]) {
                    socket.write_all(&answer).unwrap();
                }
            });
        }
    });
    address
}
