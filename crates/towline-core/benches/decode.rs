//! The cost of a record, from bytes to events, for each kind of stream.
//!
//! `cargo bench -p towline-core`. Times depend on the machine and its load; to compare two versions, count instructions
//! instead, with the example `count_records` of `towline`.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use towline_core::dialect::Dialect;
use towline_core::dialect::testing::Reader;
use towline_core::stream::{Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};
use towline_core::wire::{DEFAULT_LINE_LIMIT_BYTES, Framer, Framing};

const RECORDS: usize = 1000;

/// The size of one read from a socket.
const READ_BYTES: usize = 16 << 10;

const TOKENS: [&str; 10] = [" the", " river", " runs", ".", " quietly", ",", " to", " a", " sea", "\\n\\n"];

/// Chat records as Ollama sends them, one token each.
fn ollama() -> Vec<u8> {
    let record = |nth: usize| {
        format!(
            "{{\"model\":\"llama3.2:1b\",\"created_at\":\"2026-08-21T09:00:{:02}.123456789Z\",\
             \"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"done\":false}}\n",
            nth % 60,
            TOKENS[nth % TOKENS.len()]
        )
    };
    (0..RECORDS).flat_map(|nth| record(nth).into_bytes()).collect()
}

/// Chunks as llama.cpp sends them, one token each.
fn openai() -> Vec<u8> {
    let chunk = |nth: usize| {
        format!(
            "data: {{\"choices\":[{{\"finish_reason\":null,\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}],\
             \"created\":{},\"id\":\"chatcmpl-3f9a\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}}\n\n",
            TOKENS[nth % TOKENS.len()],
            1_787_302_800 + nth / 100
        )
    };
    (0..RECORDS).flat_map(|nth| chunk(nth).into_bytes()).collect()
}

/// Chunks that each hold a piece of a tool call's arguments.
fn tool_calls() -> Vec<u8> {
    let chunk = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\
        \"function\":{\"arguments\":\"city\"}}]},\"finish_reason\":null,\"index\":0}],\"model\":\"m\"}\n\n";
    chunk.repeat(RECORDS).into_bytes()
}

fn frames(framing: Framing, body: &[u8], mut each: impl FnMut(&[u8])) {
    let mut framer = Framer::new(framing, DEFAULT_LINE_LIMIT_BYTES);
    for piece in body.chunks(READ_BYTES) {
        framer.input().extend_from_slice(piece);
        while let Ok(Some(frame)) = framer.next_frame() {
            each(frame);
        }
    }
}

/// Only splits a body into frames.
fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, framing, body) in [("ndjson", Framing::Ndjson, ollama()), ("sse", Framing::Sse, openai())] {
        group.bench_function(name, |b| {
            b.iter(|| frames(framing, &body, |frame| _ = black_box(frame)));
        });
    }
    group.finish();
}

/// Decodes frames with the general parser, which reads records that differ from the one before.
fn general_parser(c: &mut Criterion) {
    let mut group = c.benchmark_group("general parser");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, dialect, body) in
        [("ollama", Dialect::Ollama, ollama()), ("openai", Dialect::OpenAi, openai())]
    {
        let mut list = Vec::new();
        frames(dialect.framing(""), &body, |frame| list.push(frame.to_vec()));
        group.bench_function(name, |b| {
            b.iter(|| {
                let (mut reader, mut events) = (Reader::new(dialect), std::collections::VecDeque::new());
                for frame in &list {
                    black_box(reader.decode_by_parser(frame, &mut events));
                    events.clear();
                }
            });
        });
    }
    group.finish();
}

/// A whole stream: bytes in, events out.
fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, dialect, body) in [
        ("ollama", Dialect::Ollama, ollama()),
        ("openai", Dialect::OpenAi, openai()),
        ("tool calls", Dialect::OpenAi, tool_calls()),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let now = Instant::now();
                let mut life = Lifecycle::new(dialect, Timeouts::default(), Limits::default(), now);
                life.opened(&Opened { status: 200, ..Opened::default() }, now);
                for piece in body.chunks(READ_BYTES) {
                    life.bytes(piece, now);
                    while let Some(event) = life.next_event() {
                        black_box(event);
                    }
                }
                assert_eq!(life.stats().records, RECORDS as u64);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, framing, general_parser, stream);
criterion_main!(benches);
