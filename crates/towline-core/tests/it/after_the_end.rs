//! A stream has one outcome and yields nothing after it.

use std::time::{Duration, Instant};

use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind};
use towline_core::event::Event;
use towline_core::outcome::Ending;
use towline_core::stream::{BodyEnd, Lifecycle, Opened, Phase};
use towline_core::timeouts::{Limits, Timeouts};

use crate::support::{drain, open, reset};

const TEXT: &[u8] = b"{\"message\":{\"content\":\"a\"},\"done\":false}\n";
const DONE: &[u8] = b"{\"done\":true,\"done_reason\":\"stop\",\"eval_count\":1}\n";

/// Streams that have just yielded their outcome, one for each way to end.
fn ended() -> Vec<(&'static str, Lifecycle)> {
    let now = Instant::now();
    let begin = || open(Dialect::Ollama, Limits::default(), now);
    let mut all = Vec::new();
    let mut add = |name, mut life: Lifecycle| {
        let mut events = Vec::new();
        let outcome = drain(&mut life, &mut events);
        assert!(outcome.is_some(), "{name}");
        all.push((name, life));
    };
    let with = |bytes: &[&[u8]], stop: fn(&mut Lifecycle, Instant)| {
        let mut life = begin();
        bytes.iter().for_each(|bytes| life.bytes(bytes, now));
        stop(&mut life, now);
        life
    };
    add("completed", with(&[TEXT, DONE], |life, now| life.ended(BodyEnd::Clean, now)));
    add("truncated", with(&[TEXT], |life, now| life.ended(BodyEnd::Clean, now)));
    add("cancelled", with(&[TEXT], |life, now| life.cancel("enough", now)));
    add("timed out", with(&[TEXT], |life, now| life.tick(now + Duration::from_secs(86_400))));
    add("failed by an error record", with(&[TEXT, b"{\"error\":\"no\"}\n"], |_, _| {}));
    add("failed by garbage", with(&[TEXT, b"garbage\n"], |_, _| {}));
    add("failed by a reset", with(&[TEXT], |life, now| life.failed(reset(), now)));
    let mut unsent = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
    unsent.cancel("never mind", now);
    add("cancelled before it was sent", unsent);
    let mut refused = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
    refused.opened(&Opened { status: 404, ..Opened::default() }, now);
    refused.ended(BodyEnd::Clean, now);
    add("refused", refused);
    all
}

#[test]
fn nothing_comes_after_the_outcome() {
    type Act = fn(&mut Lifecycle, Instant);
    let acts: &[(&str, Act)] = &[
        ("sent", |life, now| life.sent(now)),
        ("opened", |life, now| life.opened(&Opened { status: 200, ..Opened::default() }, now)),
        ("refused", |life, now| life.opened(&Opened { status: 500, ..Opened::default() }, now)),
        ("a record", |life, now| life.bytes(TEXT, now)),
        ("a terminal record", |life, now| life.bytes(DONE, now)),
        ("an error record", |life, now| life.bytes(b"{\"error\":\"no\"}\n", now)),
        ("an end", |life, now| life.ended(BodyEnd::Clean, now)),
        ("a reset", |life, now| life.failed(reset(), now)),
        ("a cancel", |life, now| life.cancel("again", now)),
        ("a day", |life, now| life.tick(now + Duration::from_secs(86_400))),
        ("other timeouts", |life, _| {
            life.set_timeouts(Timeouts { total: Some(Duration::ZERO), ..Timeouts::default() });
        }),
    ];
    for (name, mut life) in ended() {
        for (act, apply) in acts.iter().chain(acts) {
            apply(&mut life, Instant::now());
            assert_eq!(life.next_event(), None, "{name}, then {act}");
            assert_eq!(life.take_outcome(), None, "{name}, then {act}");
            assert_eq!(life.deadline(), None, "{name}, then {act}");
            assert_eq!(life.phase(), Phase::Ended, "{name}, then {act}");
        }
    }
}

#[test]
fn what_comes_where_nothing_is_read_is_not_kept() {
    let flood = |name: &str, life: &mut Lifecycle| {
        let before = life.stats().received_bytes;
        for _ in 0..100 {
            life.bytes(&[b'x'; 64 << 10], Instant::now());
            assert_eq!(life.next_event(), None, "{name}");
        }
        let kept = life.input().capacity();
        assert!(kept <= 256 << 10, "{name}: {kept} bytes kept");
        assert_eq!(life.stats().received_bytes, before, "{name}");
    };
    for (name, mut life) in ended() {
        flood(name, &mut life);
    }
    let now = Instant::now();
    let mut early = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
    flood("connecting", &mut early);
    early.sent(now);
    flood("opening", &mut early);
    let mut finished = open(Dialect::Ollama, Limits::default(), now);
    finished.bytes(DONE, now);
    assert_eq!(drain(&mut finished, &mut Vec::new()), None);
    flood("finishing", &mut finished);
}

#[test]
fn what_comes_after_a_stop_does_not_count() {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.bytes(TEXT, now);
    life.cancel("enough", now);
    life.bytes(DONE, now);
    let mut events = Vec::new();
    let outcome = drain(&mut life, &mut events).expect("an outcome");
    assert_eq!(events, [Event::Text("a".into())]);
    assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true });

    // A cancel before the response head is final, whatever the head says.
    for status in [200, 404] {
        let mut life = Lifecycle::new(Dialect::Ollama, Timeouts::default(), Limits::default(), now);
        life.cancel("enough", now);
        life.sent(now);
        life.opened(&Opened { status, ..Opened::default() }, now);
        life.bytes(DONE, now);
        let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
        assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: false });
    }
}

#[test]
fn the_first_stop_counts() {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.cancel("first", now);
    life.cancel("second", now);
    life.ended(BodyEnd::Clean, now);
    life.failed(reset(), now);
    let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_eq!(outcome.ending, Ending::Cancelled { reason: "first".into(), may_have_had_effect: true });
}

#[test]
fn what_was_received_before_a_stop_is_decoded_and_may_complete_the_answer() {
    type Stop = fn(&mut Lifecycle, Instant);
    let stops: [Stop; 4] = [
        |life, now| life.cancel("enough", now),
        |life, now| life.failed(reset(), now),
        |life, now| life.ended(BodyEnd::Cut, now),
        |life, now| life.tick(now + Duration::from_secs(86_400)),
    ];
    for stop in stops {
        // The terminal record has arrived, with or without its newline, and was not polled yet.
        for done in [DONE, DONE.trim_ascii_end()] {
            let now = Instant::now();
            let mut life = open(Dialect::Ollama, Limits::default(), now);
            life.bytes(TEXT, now);
            life.bytes(done, now);
            stop(&mut life, now);
            let mut events = Vec::new();
            let outcome = drain(&mut life, &mut events).expect("an outcome");
            assert!(outcome.is_completed(), "{outcome:?}");
            assert_eq!(events[0], Event::Text("a".into()));
        }
    }
}

#[test]
fn a_failure_with_text_in_the_same_record_keeps_the_text() {
    let now = Instant::now();
    let limits = Limits { reply_bytes: 3, ..Limits::default() };
    let mut life = open(Dialect::OpenAi, limits, now);
    let chunk = br#"data: {"choices":[{"delta":{"content":"abcd"},"finish_reason":"error"}]}"#;
    life.bytes(&[chunk, &b"\n\n"[..]].concat(), now);
    let mut events = Vec::new();
    let outcome = drain(&mut life, &mut events).expect("an outcome");
    assert_eq!(events, [Event::Text("abcd".into())]);
    assert_eq!(outcome.reply.text, "abcd");
    assert!(matches!(outcome.ending, Ending::Failed(Error { kind: ErrorKind::Limit, .. })), "{outcome:?}");
}
