//! (e) Memory while 400 MB that nobody reads press against the client.

use std::time::Duration;

use towline::{ChatRequest, Client, Item};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Script, Server, http};

use crate::measure::{resident_bytes, runtime};

const FLOOD_BYTES: u64 = 400_000_000;

pub(crate) fn run() {
    let piece = http::chunk(http::line(ollama::chat_text(" river"))).repeat(500);
    let server = Server::start(
        Script::request().head(200, http::NDJSON, Body::Chunked).flood(piece, FLOOD_BYTES).end_chunks(),
    );
    let client = Client::new(&server.url()).unwrap();
    let (before, after) = runtime().block_on(async {
        let before = resident_bytes();
        let mut stream = client.chat(ChatRequest::new("m").user("Hi"));
        let first = stream.next().await;
        assert!(matches!(first, Some(Item::Event(_))));
        let mut sent = 0;
        // Until the server can send no more.
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = server.sent_bytes(0);
            if now == sent {
                break (before, resident_bytes());
            }
            sent = now;
        }
    });
    println!("| a flood of 400 MB, unread | |\n|---|---|");
    println!("| the kernel took in | {:.1} MB |", server.sent_bytes(0) as f64 / 1e6);
    println!("| memory above idle | {:.1} MB |", after.saturating_sub(before) as f64 / 1e6);
}
