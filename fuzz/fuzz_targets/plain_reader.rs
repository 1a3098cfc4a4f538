//! For any data from a server, the text equals that of a simple reader, or the answer does not complete.

#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use towline_core::timeouts::{Timeouts, Limits};
use towline_core::dialect::Dialect;
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_testkit::plain::{self, Kind};

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, size], choices)) = data.split_first_chunk::<2>() else { return };
    let (kind, dialect) = match kind % 2 {
        0 => (Kind::Ollama, Dialect::Ollama),
        _ => (Kind::OpenAi, Dialect::OpenAi),
    };
    let body = plain::stream(kind, choices);
    let now = Instant::now();
    let mut life = Lifecycle::new(dialect, Timeouts::default(), Limits::default(), now);
    life.sent(now);
    life.opened(&Opened { status: 200, ..Opened::default() }, now);
    for piece in body.chunks(usize::from(size).max(1)) {
        life.bytes(piece, now);
        while life.next_event().is_some() {}
    }
    life.ended(BodyEnd::Clean, now);
    while life.next_event().is_some() {}
    let outcome = life.take_outcome().expect("a stream that ended has an outcome");
    let text = outcome.is_completed().then_some(outcome.reply.text);
    assert_eq!(text, plain::text(kind, &body), "{}", String::from_utf8_lossy(&body));
});
