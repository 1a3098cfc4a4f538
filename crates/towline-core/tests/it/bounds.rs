//! Endless data from a server is cut off at its named limit, which also bounds the memory.

use std::time::Instant;

use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::outcome::{Ending, Outcome};
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};
use towline_testkit::corpus;

use crate::support::{End, drain, open, run, same};

/// Feeds `piece` endlessly; returns how the stream ended and how large the buffer became.
fn endless(
    dialect: Dialect,
    content_type: &str,
    limits: Limits,
    begin: &str,
    piece: &[u8],
) -> (Outcome, usize) {
    let now = Instant::now();
    let mut life = Lifecycle::new(dialect, Timeouts::default(), limits, now);
    life.opened(&Opened { status: 200, content_type: content_type.into(), retry_after: None }, now);
    life.bytes(begin.as_bytes(), now);
    let mut largest = 0;
    for _ in 0..(256 << 20) / piece.len() {
        life.bytes(piece, now);
        largest = largest.max(life.input().capacity());
        if let Some(outcome) = drain(&mut life, &mut Vec::new()) {
            return (outcome, largest);
        }
    }
    panic!("no limit held");
}

fn assert_limit(outcome: &Outcome, message: &str) {
    let wanted = Error::new(ErrorKind::Limit, Fault::Protocol, message).with_effect(true);
    assert_eq!(outcome.ending, Ending::Failed(wanted));
}

#[test]
fn an_endless_line_is_cut_off_at_the_line_limit() {
    let limits = Limits { line_bytes: 1 << 20, ..Limits::default() };
    for (dialect, content_type, begin) in [
        (Dialect::Ollama, "", "{\"message\":{\"content\":\"a\"}}\n{\"message\":{\"content\":\""),
        (Dialect::Ollama, "", "{\"message\":{\"content\":\"a\"}}\n   "),
        (Dialect::OllamaProgress, "", "{\"status\":\"a\"}\n{\"status\":\""),
        (Dialect::OpenAi, "", "data: {\"choices\":[]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\""),
        (Dialect::OpenAi, "", "data: {\"choices\":[]}\n\n: ping"),
        (Dialect::OpenAi, "application/json", "{"),
    ] {
        for piece in [&[b' '; 16 << 10][..], &[b'x'; 1000], &[0xff; 1 << 10]] {
            let (outcome, largest) = endless(dialect, content_type, limits, begin, piece);
            assert_limit(&outcome, "a record is longer than the line limit of 1048576 bytes");
            assert_eq!(outcome.stats.records, u64::from(content_type.is_empty()), "what came before is kept");
            // A vector grows by doubling.
            assert!(largest <= 2 * (limits.line_bytes + piece.len()), "{largest} bytes for {begin:?}");
        }
    }
}

#[test]
fn an_event_of_endlessly_many_lines_is_cut_off_at_the_line_limit() {
    let limits = Limits { line_bytes: 1 << 20, ..Limits::default() };
    let piece = b"data: 0123456789\n".repeat(50);
    let (outcome, largest) = endless(Dialect::OpenAi, "", limits, "", &piece);
    assert_limit(&outcome, "a record is longer than the line limit of 1048576 bytes");
    assert!(largest <= 64 << 10, "{largest}");
}

#[test]
fn the_default_line_limit_is_32_mib() {
    let (outcome, _) = endless(Dialect::Ollama, "", Limits::default(), "", &[b' '; 1 << 20]);
    assert_limit(&outcome, "a record is longer than the line limit of 33554432 bytes");
}

#[test]
fn a_flood_of_small_records_needs_a_small_buffer() {
    let now = Instant::now();
    for (dialect, record) in [
        (Dialect::Ollama, "{\"message\":{\"content\":\"\"},\"done\":false}\n"),
        (Dialect::Ollama, "\n \r\n"),
        (Dialect::OllamaProgress, "{\"status\":\"pulling\",\"completed\":1}\n"),
        (Dialect::OpenAi, "data: {\"choices\":[]}\n\n"),
        (Dialect::OpenAi, ": ping\n\n"),
        (Dialect::OpenAi, "data: {\"choices\":[\r\ndata: ]}\r\n\r\n"),
    ] {
        let mut life = open(dialect, Limits::default(), now);
        let flood = record.repeat(2000);
        // Pieces that end at any position in a record.
        for _ in 0..20 {
            for piece in flood.as_bytes().chunks(16 << 10) {
                life.bytes(piece, now);
                assert_eq!(drain(&mut life, &mut Vec::new()), None, "{record}");
                let kept = life.input().capacity();
                assert!(kept <= 64 << 10, "{kept} bytes for {record}");
            }
        }
    }
}

#[test]
fn the_memory_of_a_long_line_is_given_back() {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    let case = corpus::long_line(4 << 20);
    let end = case.stream.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    life.bytes(&case.stream[..end], now);
    assert!(life.input().capacity() > 4 << 20);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert!(life.input().capacity() <= 128 << 10);
}

#[test]
fn a_line_of_32_megabytes_in_small_pieces() {
    let case = corpus::long_line((32 << 20) - 200);
    let run = run(Dialect::Ollama, case.stream.chunks(16 << 10), End::Clean);
    assert!(run.outcome.is_completed());
    assert!(same(&run.events[0], &case.expected.events[0]));
}

#[test]
fn an_endless_answer_is_cut_off_at_the_reply_limit() {
    let limits = Limits { reply_bytes: 100_000, ..Limits::default() };
    let text = "0123456789".repeat(10);
    let kept = |outcome: &Outcome| outcome.reply.text.len() + outcome.reply.thinking.len();
    for (dialect, record) in [
        (Dialect::Ollama, format!("{{\"message\":{{\"content\":\"{text}\"}}}}\n")),
        (Dialect::Ollama, format!("{{\"message\":{{\"thinking\":\"{text}\"}}}}\n")),
        (Dialect::OpenAi, format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")),
    ] {
        let (outcome, _) = endless(dialect, "", limits, "", record.as_bytes());
        assert_limit(&outcome, "the answer is longer than the reply limit of 100000 bytes");
        assert_eq!(kept(&outcome), 100_100, "up to the record that passed it");
    }
}

/// Text is not the only thing that fills memory.
#[test]
fn every_part_of_a_reply_counts_against_the_reply_limit() {
    let limits = Limits { reply_bytes: 100_000, ..Limits::default() };
    let blob = "0123456789".repeat(10);
    for (dialect, record) in [
        (
            Dialect::Ollama,
            format!(
                "{{\"message\":{{\"tool_calls\":[{{\"function\":{{\"name\":\"f\",\"arguments\":{{\"a\":\"{blob}\"}}}}}}]}}}}\n"
            ),
        ),
        (Dialect::Ollama, format!("{{\"message\":{{\"images\":[\"{blob}\"]}}}}\n")),
        (Dialect::Ollama, format!("{{\"logprobs\":[{{\"token\":\"{blob}\",\"logprob\":-1}}]}}\n")),
        (
            Dialect::OpenAi,
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{blob}\"}}}}]}}}}]}}\n\n"
            ),
        ),
        (
            Dialect::OpenAi,
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"name\":\"{blob}x\"}}}},{{\"index\":0,\"function\":{{\"name\":\"y\"}}}}]}}}}]}}\n\n"
            ),
        ),
        (
            Dialect::OpenAi,
            format!(
                "data: {{\"choices\":[{{\"logprobs\":{{\"content\":[{{\"token\":\"{blob}\",\"logprob\":-1}}]}}}}]}}\n\n"
            ),
        ),
    ] {
        let (outcome, _) = endless(dialect, "", limits, "", record.as_bytes());
        assert_limit(&outcome, "the answer is longer than the reply limit of 100000 bytes");
        assert!((300..=1001).contains(&outcome.stats.records), "{} of {record}", outcome.stats.records);
    }
}

#[test]
fn progress_and_empty_records_have_no_limit() {
    let limits = Limits { reply_bytes: 1000, ..Limits::default() };
    let now = Instant::now();
    for (dialect, record) in [
        (Dialect::OllamaProgress, "{\"status\":\"pulling\",\"completed\":1}\n"),
        (Dialect::Ollama, "{\"message\":{\"content\":\"\"}}\n"),
        (Dialect::OpenAi, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"),
    ] {
        let mut life = open(dialect, limits, now);
        for _ in 0..10_000 {
            life.bytes(record.as_bytes(), now);
            assert_eq!(drain(&mut life, &mut Vec::new()), None);
        }
        assert_eq!(life.stats().records, 10_000);
    }
}

#[test]
fn an_endless_error_body_is_cut_off() {
    let now = Instant::now();
    let mut life = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
    life.opened(&Opened { status: 500, ..Opened::default() }, now);
    let mut sent = 0;
    let outcome = loop {
        life.bytes(&[b'x'; 1 << 10], now);
        sent += 1 << 10;
        if let Some(outcome) = drain(&mut life, &mut Vec::new()) {
            break outcome;
        }
    };
    assert_eq!(sent, 64 << 10);
    let Ending::Failed(error) = &outcome.ending else { panic!("{outcome:?}") };
    assert!(error.message.len() < 400, "{}", error.message.len());
    assert!(error.message.ends_with("… (status 500)"), "{}", error.message);
    life.ended(BodyEnd::Clean, now);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for open in ["[", "{\"a\":"] {
        let body = open.repeat(1 << 20) + "\n";
        let run = run(Dialect::Ollama, [body.as_bytes()], End::Clean);
        assert!(matches!(run.outcome.ending, Ending::Failed(Error { kind: ErrorKind::Protocol, .. })));
    }
}
