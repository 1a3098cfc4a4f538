//! Reads a stream of records, to count what a record costs: the core alone from memory, or the client, a job of the engine
//! and a program that only counts newlines from a server in another process:
//!
//! ```sh
//! cargo build --release -p towline --example count_records
//! valgrind --tool=callgrind target/release/examples/count_records core ollama 100000
//! valgrind --tool=callgrind target/release/examples/count_records 'towline Engine' flat 100000
//! ```
//!
//! The core reads `ollama`, `openai`, `general` or `escapes`; the others read `flat`, `blocks` or `paced:250`, which is each
//! record alone. `submits 100000` counts tasks that do nothing; callgrind tells their threads apart. The difference between two counts of records is the cost of one, without what it costs to begin.
//! `cargo bench -p towline --bench client -- instructions` counts all of the others and prints the differences.

#![expect(clippy::print_stdout, reason = "the count is what it is for")]
#![expect(clippy::unwrap_used, reason = "a program that cannot continue fails")]

#[path = "../benches/client/contender.rs"]
mod contender;
#[path = "../benches/client/counter.rs"]
#[allow(dead_code, reason = "shared with the bench, which uses the rest")]
mod counter;
#[path = "../benches/client/measure.rs"]
#[allow(dead_code, reason = "shared with the bench, which uses the rest")]
mod measure;
#[path = "../benches/client/peer.rs"]
mod peer;

use std::time::Instant;

use towline::{Engine, EngineConfig};
use towline_core::dialect::Dialect;
use towline_core::stream::{Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

/// How much is read at a time.
const READ_BYTES: usize = 16 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => peer::serve(),
        ["core", kind, count] => by_core(kind, count.parse().unwrap()),
        ["submits", count] => submits(count.parse().unwrap()),
        [contender, shape, count] => {
            let peer = peer::Peer::start();
            contender::read(contender, &peer.url(), &format!("{shape}:{count}"), count.parse().unwrap());
            println!("{count} records by {contender}");
        }
        _ => println!("usage: count_records CONTENDER SHAPE COUNT; one of {:?}", contender::CONTENDERS),
    }
}

fn by_core(kind: &str, count: u64) {
    let dialect = if kind == "openai" { Dialect::OpenAi } else { Dialect::Ollama };
    let body = body(kind, 1000);
    let now = Instant::now();
    let mut life = Lifecycle::new(dialect, Timeouts::default(), Limits::default(), now);
    life.opened(&Opened { status: 200, ..Opened::default() }, now);
    let (mut events, mut text_bytes) = (0_u64, 0);
    while life.stats().records < count {
        for piece in body.chunks(READ_BYTES) {
            life.bytes(piece, now);
            while let Some(event) = life.next_event() {
                events += 1;
                text_bytes +=
                    if let towline_core::event::Event::Text(text) = &event { text.len() } else { 0 };
            }
        }
    }
    let bytes = body.len() / 1000;
    println!(
        "{} records of {bytes} bytes, {events} events, {text_bytes} bytes of text",
        life.stats().records
    );
}

/// Submits tasks that do nothing, from one thread, and waits for all.
fn submits(count: u64) {
    let engine = Engine::start(EngineConfig::default()).unwrap();
    for _ in 0..count {
        drop(engine.spawn("submitted", async {}));
    }
    // The table knows who has not ended.
    engine.jobs().iter().for_each(|job| assert!(job.wait().unwrap().is_completed()));
    println!("{count} tasks");
}

/// Records as a server sends them, one token each; `escapes` has one in ten that ends a line.
fn body(kind: &str, count: usize) -> Vec<u8> {
    let tokens = [" the", " river", " runs", ".", " quietly", ",", " to", " a", " sea", "s"];
    let mut body = String::new();
    for nth in 0..count {
        let token = if kind == "escapes" && nth % 10 == 3 { "\\n\\n" } else { tokens[nth % tokens.len()] };
        body += &match kind {
            "openai" => format!(
                "data: {{\"choices\":[{{\"finish_reason\":null,\"index\":0,\"delta\":{{\"content\":\"{token}\"}}}}],\
                 \"created\":1787302800,\"id\":\"chatcmpl-3f9a\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}}\n\n"
            ),
            // Every record another shape than the last: only the general parser can read them.
            "general" => format!(
                "{{\"model\":\"llama3.2:1b\",\"created_at\":\"2026-08-21T09:00:{:02}.123456789Z\",\
                 \"message\":{{\"role\":\"assistant\",\"content\":\"{token}\"}},\"done\":false,\"n\":{nth}}}\n",
                nth % 60
            ),
            _ => format!(
                "{{\"model\":\"llama3.2:1b\",\"created_at\":\"2026-08-21T09:00:{:02}.123456789Z\",\
                 \"message\":{{\"role\":\"assistant\",\"content\":\"{token}\"}},\"done\":false}}\n",
                nth % 60
            ),
        };
    }
    body.into_bytes()
}
