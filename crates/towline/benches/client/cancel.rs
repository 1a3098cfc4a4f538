//! (f) From a cancel to the server's seeing the connection close.

use std::time::{Duration, Instant};

use towline::{ChatRequest, Client, Item};
use towline_testkit::records::ollama;
use towline_testkit::{Script, Server};

use crate::measure::{quantile, runtime};

const ROUNDS: usize = 1000;

pub(crate) fn run() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text(" river")]).stall());
    let client = Client::new(&server.url()).unwrap();
    println!("| until the server sees the close, {ROUNDS} times | p50 | p99 | max |\n|---|---|---|---|");
    for how in ["cancel", "drop"] {
        let mut times: Vec<Duration> = runtime().block_on(async {
            let mut times = Vec::with_capacity(ROUNDS);
            for _ in 0..ROUNDS {
                let mut stream = client.chat(ChatRequest::new("m").user("Hi"));
                assert!(matches!(stream.next().await, Some(Item::Event(_))));
                let before = Instant::now();
                if how == "cancel" {
                    stream.cancel("bench");
                } else {
                    drop(stream);
                }
                let close = server.wait_for_close(server.connections() - 1, Duration::from_secs(10)).unwrap();
                times.push(close.at - before);
            }
            times
        });
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&mut times, share));
        println!("| {how} | {p50:.1?} | {p99:.1?} | {max:.1?} |");
    }
}
