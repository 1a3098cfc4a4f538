//! Many streams on few connections: some never read, and ten thousand to their end.

use bytes::Bytes;
use tokio::task::JoinSet;
use towline::Client;
use towline::client::{Endpoint, Http2Config, Http2Policy, TransportConfig};
use towline::forward::{Body, Request, Response};
use towline_core::http1::Method;

use crate::proxies::relay;
use crate::reader::{Measured, Stamps, quantile};

fn client(address: std::net::SocketAddr) -> Client {
    let http2 = Http2Config {
        policy: Http2Policy::PriorKnowledge,
        max_streams_per_connection: 4096,
        stream_window_bytes: 16 << 10,
        ..Http2Config::default()
    };
    let transport = TransportConfig { http2, ..TransportConfig::default() };
    let config = towline::Config { transport, ..towline::Config::default() };
    Client::with_config(Endpoint::http(address.ip().to_string(), address.port()), config).unwrap()
}

async fn chat(client: &Client, model: &str) -> Response {
    let body = Bytes::from(format!(r#"{{"model":"{model}","messages":[]}}"#));
    let request = Request {
        method: Method::Post,
        target: "/api/chat".into(),
        headers: [("content-type", "application/json")].into_iter().collect(),
        body: Body::Bytes(body),
    };
    client.ready().await.unwrap().send(request).await.unwrap()
}

async fn read(mut response: Response) -> Measured {
    let (mut measured, mut stamps) = (Measured::default(), Stamps::default());
    let mut bytes = Vec::new();
    while std::future::poll_fn(|cx| response.body.poll_read(cx, &mut bytes)).await.unwrap() > 0 {
        stamps.take(&bytes, &mut measured);
        bytes.clear();
    }
    measured
}

/// Healthy readers beside some that never read, all on one connection.
pub(crate) async fn stalled(upstream: &str) {
    const STREAMS: usize = 1000;
    const MODEL: &str = "stamped:30:300";
    println!("\n{STREAMS} streams on one HTTP/2 connection, 30 records a second each, 10 s");
    for stalled in [0, 100] {
        let relay = relay(upstream, false);
        let client = client(relay.address);
        let mut held = Vec::new();
        for _ in 0..stalled {
            held.push(chat(&client, MODEL).await);
        }
        let mut readers = JoinSet::new();
        for _ in stalled..STREAMS {
            let client = client.clone();
            readers.spawn(async move { read(chat(&client, MODEL).await).await });
        }
        let mut latencies = Vec::new();
        while let Some(measured) = readers.join_next().await {
            let measured = measured.unwrap();
            assert!(measured.is_whole);
            latencies.extend(measured.latencies);
        }
        // The stalled readers lost nothing either.
        for response in held {
            let measured = read(response).await;
            assert!(measured.is_whole && measured.latencies.len() == 300);
        }
        let [p50, p99] = [0.5, 0.99].map(|share| quantile(&mut latencies, share));
        println!("{stalled:>4} stalled: the others p50 {p50:.1?}, p99 {p99:.1?}");
    }
}

/// Ten thousand streams on eight connections, to their end.
pub(crate) async fn many(upstream: &str) {
    const STREAMS: usize = 10_000;
    const CONNECTIONS: usize = 8;
    let relay = relay(upstream, false);
    let began = std::time::Instant::now();
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| client(relay.address)).collect();
    let mut readers = JoinSet::new();
    for nth in 0..STREAMS {
        let client = clients[nth % CONNECTIONS].clone();
        readers.spawn(async move { read(chat(&client, "stamped:2:20").await).await });
    }
    let (mut whole, mut records) = (0, 0);
    while let Some(measured) = readers.join_next().await {
        let measured = measured.unwrap();
        whole += usize::from(measured.is_whole);
        records += measured.latencies.len();
    }
    println!(
        "\n{STREAMS} streams on {CONNECTIONS} HTTP/2 connections, 2 records a second each: {whole} whole, {records} records, \
         {:.1?}, {} MB in the relay",
        began.elapsed(),
        relay.resident_bytes() >> 20
    );
}
