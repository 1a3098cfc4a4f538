//! Reads a stream of records from memory as fast as it can, to count what a record costs:
//!
//! ```sh
//! cargo build --release --example count_records
//! valgrind --tool=callgrind target/release/examples/count_records ollama 100000
//! ```
//!
//! The difference between two counts of records is the cost of one, without what it costs to begin.

#![expect(clippy::print_stdout, reason = "the count is what it is for")]

use std::time::Instant;

use towline_core::dialect::Dialect;
use towline_core::stream::{Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

/// How much is read at a time.
const READ_BYTES: usize = 16 << 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "ollama".to_owned());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let dialect = if kind == "openai" { Dialect::OpenAi } else { Dialect::Ollama };
    let body = body(&kind, 1000);
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
