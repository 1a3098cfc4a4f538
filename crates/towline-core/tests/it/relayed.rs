//! The records with which a relay closes an answer, and the time limit for an unreachable relay.

use std::time::{Duration, Instant};

use towline_core::dialect::Dialect;
use towline_core::error::ErrorKind;
use towline_core::outcome::{Clock, Ending};
use towline_core::stream::{Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

use crate::support::{End, drain, open, run};

const TEXT: &str = "{\"message\":{\"content\":\"Hel\"}}\n";

/// How a chat with one piece of text ends if the relay closes it with `record`.
fn ending(record: &str) -> Ending {
    let run = run(Dialect::Ollama, [TEXT.as_bytes(), record.as_bytes(), b"\n"], End::Clean);
    assert_eq!(run.outcome.reply.text, "Hel", "{record}");
    run.outcome.ending
}

fn kind(ending: &Ending) -> ErrorKind {
    ending.error().unwrap().kind
}

#[test]
fn a_relay_says_how_its_job_ended() {
    for (outcome, name, kind_of) in [
        ("truncated", "truncated", ErrorKind::Truncated),
        ("interrupted", "truncated", ErrorKind::Truncated),
        ("cancelled", "cancelled", ErrorKind::Cancelled),
        ("timed_out", "timed_out", ErrorKind::TimedOut),
        ("failed", "failed", ErrorKind::Server),
        ("a word of later versions", "failed", ErrorKind::Server),
    ] {
        let record = format!(r#"{{"error":"it ended","towline":{{"outcome":"{outcome}","cause":"why"}}}}"#);
        let ending = ending(&record);
        assert_eq!((ending.as_str(), kind(&ending)), (name, kind_of), "{outcome}");
    }
    let cancelled = ending(r#"{"error":"stopped","towline":{"outcome":"cancelled","cause":"by anna"}}"#);
    let wanted = Ending::Cancelled { reason: "by anna".into(), may_have_had_effect: true };
    assert_eq!(cancelled, wanted);
}

#[test]
fn an_upstreams_refusal_is_the_same_failure_as_without_a_relay() {
    for (status, kind_of) in
        [(404, ErrorKind::NotFound), (401, ErrorKind::Unauthorized), (429, ErrorKind::Busy)]
    {
        for record in [
            format!(r#"{{"error":"no","status":{status},"towline":{{"outcome":"failed"}}}}"#),
            // In the relay's format.
            format!(r#"{{"error":"no","towline":{{"outcome":"failed","cause":"no","status":{status}}}}}"#),
        ] {
            let error = ending(&record).error().unwrap();
            assert_eq!((error.kind, error.status, error.may_have_had_effect), (kind_of, Some(status), false));
        }
    }
}

#[test]
fn it_says_so_in_the_other_dialect_too() {
    for (code, name) in [("truncated", "truncated"), ("cancelled", "cancelled"), ("interrupted", "truncated")]
    {
        let record =
            format!("data: {{\"error\":{{\"message\":\"m\",\"type\":\"towline\",\"code\":\"{code}\"}}}}\n\n");
        let ending = run(Dialect::OpenAi, [record.as_bytes()], End::Clean).outcome.ending;
        assert_eq!(ending.as_str(), name, "{ending:?}");
    }
    // The same code from another server is an ordinary failure.
    let record = "data: {\"error\":{\"message\":\"m\",\"type\":\"x\",\"code\":\"cancelled\"}}\n\n";
    let ending = run(Dialect::OpenAi, [record.as_bytes()], End::Clean).outcome.ending;
    assert_eq!(kind(&ending), ErrorKind::Server);
}

#[test]
fn a_complete_answer_stays_complete() {
    let pieces = [
        TEXT,
        "{\"done\":true,\"done_reason\":\"stop\"}\n",
        "{\"error\":\"x\",\"towline\":{\"outcome\":\"truncated\"}}\n",
    ];
    let run = run(Dialect::Ollama, pieces.map(str::as_bytes), End::Clean);
    assert!(run.outcome.is_completed());
}

#[test]
fn only_the_total_clock_runs_while_the_relay_is_away() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let timeouts =
        Timeouts { idle: Some(second), total: Some(100 * second), connect: None, ..Timeouts::default() };
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.set_timeouts(timeouts);
    life.bytes(TEXT.as_bytes(), now);
    assert!(drain(&mut life, &mut Vec::new()).is_none());
    assert_eq!(life.deadline(), Some(now + second));
    life.lost(now);
    assert_eq!(life.deadline(), Some(now + 100 * second));
    life.tick(now + 50 * second);
    assert!(drain(&mut life, &mut Vec::new()).is_none());
    // The idle time starts when it resumes.
    life.regained(now + 50 * second);
    assert_eq!(life.deadline(), Some(now + 51 * second));
    life.regained(now + 50 * second);
    assert_eq!(life.stats().reconnects, 1);
    life.lost(now + 50 * second);
    life.tick(now + 100 * second);
    let outcome = drain(&mut life, &mut Vec::new()).unwrap();
    let wanted = Ending::TimedOut { clock: Clock::Total, limit: 100 * second, may_have_had_effect: true };
    assert_eq!(outcome.ending, wanted);
}

#[test]
fn the_dialect_can_be_found_out_before_the_response() {
    let now = Instant::now();
    let mut life = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
    life.set_dialect(Dialect::OpenAi);
    life.opened(&Opened { status: 200, ..Opened::default() }, now);
    life.set_dialect(Dialect::Ollama);
    life.bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", now);
    assert!(drain(&mut life, &mut Vec::new()).is_none());
    assert_eq!(life.reply().text, "Hi");
}
