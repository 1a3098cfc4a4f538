//! (d) One line of 32 MB in pieces of 16 KB, beside copying and parsing the same bytes.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline::{ChatRequest, Client};
use towline_testkit::{Body, Framing, Pace, Script, Server, http};

use crate::counter;
use crate::measure::{median, runtime, thread_cpu};

const PIECE_BYTES: usize = 16 * 1024;
const ROUNDS: usize = 9;

#[derive(Deserialize)]
struct Record {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

pub(crate) fn run() {
    println!(
        "| one line in 16 KB pieces | copy and parse | Client | × | Client, ns a byte |\n|---|---|---|---|---|"
    );
    for text_bytes in [8_000_000, 16_000_000, 32_000_000] {
        let body = towline_testkit::corpus::long_line(text_bytes).stream;
        let script = Script::request().head(200, http::NDJSON, Body::Length(body.len() as u64)).pieces(
            body.chunks(PIECE_BYTES),
            Framing::Raw,
            Pace::FlatOut,
        );
        let server = Server::start(script);
        let runtime = runtime();
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            plain.push(runtime.block_on(copy_and_parse(&server, body.len(), text_bytes)));
            ours.push(runtime.block_on(by_client(&server, text_bytes)));
        }
        let [plain, ours] = [&mut plain, &mut ours].map(|times| median(times));
        let ratio = ours.as_secs_f64() / plain.as_secs_f64();
        let each = ours.as_nanos() as f64 / text_bytes as f64;
        println!("| {} MB | {plain:.1?} | {ours:.1?} | {ratio:.2} | {each:.2} |", text_bytes / 1_000_000);
    }
}

async fn copy_and_parse(server: &Server, body_bytes: usize, text_bytes: usize) -> Duration {
    let mut socket = counter::connect(server.addr()).await;
    let before = thread_cpu();
    socket.write_all(&counter::request("m")).await.unwrap();
    let (mut piece, mut received) = (vec![0; 64 * 1024], Vec::new());
    let start = loop {
        let bytes = socket.read(&mut piece).await.unwrap();
        received.extend_from_slice(&piece[..bytes]);
        if let Some(end) = memchr::memmem::find(&received[..received.len().min(4096)], b"\r\n\r\n") {
            break end + 4;
        }
    };
    while received.len() < start + body_bytes {
        let bytes = socket.read(&mut piece).await.unwrap();
        received.extend_from_slice(&piece[..bytes]);
    }
    let end = memchr::memchr(b'\n', &received[start..]).unwrap();
    let record: Record = serde_json::from_slice(&received[start..start + end]).unwrap();
    assert_eq!(record.message.content.len(), text_bytes);
    thread_cpu() - before
}

async fn by_client(server: &Server, text_bytes: usize) -> Duration {
    let client = Client::new(&server.url()).unwrap();
    let before = thread_cpu();
    let outcome = client.chat(ChatRequest::new("m").user("Hi")).collect().await;
    let took = thread_cpu() - before;
    assert!(outcome.is_completed() && outcome.reply.text.len() == text_bytes, "{}", outcome.ending);
    took
}
