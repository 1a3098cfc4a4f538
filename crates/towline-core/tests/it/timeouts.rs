//! Each timeout runs only in its states, and the outcome names it.

use std::time::{Duration, Instant};

use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::outcome::{Clock, Ending, Outcome};
use towline_core::span::Span;
use towline_core::stream::{BodyEnd, Lifecycle, Opened, Phase};
use towline_core::timeouts::{Limits, Timeouts};

use crate::support::{drain, open, reset};

const RECORD: &[u8] = b"{\"message\":{\"content\":\"a\"},\"done\":false}\n";
const EVENT: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const DONE: &[u8] = b"{\"done\":true,\"done_reason\":\"stop\"}\n";

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Five timeouts with distinct lengths.
const CLOCKS: Timeouts = Timeouts {
    connect: Some(secs(3)),
    first_event: Some(secs(40)),
    idle: Some(secs(7)),
    record: Some(secs(31)),
    total: None,
};

fn clocked(timeouts: Timeouts, now: Instant) -> Lifecycle {
    Lifecycle::new(Dialect::Ollama, timeouts, Limits::default(), now)
}

fn answered(life: &mut Lifecycle, status: u16, now: Instant) {
    life.opened(&Opened { status, ..Opened::default() }, now);
}

/// Ticks just before the deadline, which must not end the stream, and at it, which must.
fn runs_out(life: &mut Lifecycle) -> Outcome {
    let due = life.deadline().expect("a clock runs");
    let mut events = Vec::new();
    life.tick(due - Duration::from_nanos(1));
    assert_eq!(drain(life, &mut events), None, "not yet");
    assert_eq!(life.deadline(), Some(due), "time alone moves no deadline");
    life.tick(due);
    drain(life, &mut events).expect("the clock ran out")
}

fn assert_timed_out(outcome: &Outcome, clock: Clock, limit: Duration, effect: bool) {
    assert_eq!(outcome.ending, Ending::TimedOut { clock, limit, may_have_had_effect: effect });
    assert_eq!(outcome.ending.may_have_had_effect(), effect);
    let error = outcome.ending.error().expect("a timeout is an error");
    assert_eq!((error.kind, error.may_have_had_effect), (ErrorKind::TimedOut, effect));
    let shown = outcome.to_string();
    assert!(shown.starts_with("timed out: ") && shown.ends_with(&Span(limit).to_string()), "{shown}");
}

#[test]
fn the_defaults() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts.connect, Some(secs(10)));
    assert_eq!(timeouts.first_event, Some(secs(20 * 60)));
    assert_eq!(timeouts.idle, Some(secs(5 * 60)));
    assert_eq!(timeouts.record, Some(secs(20 * 60)));
    assert_eq!(timeouts.total, None);
    let limits = Limits::default();
    assert_eq!(limits.error_body_time, secs(5));
    assert_eq!(limits.finish_time, Duration::from_millis(250));
    assert_eq!(limits.usage_time, secs(2));
    assert_eq!(limits.line_bytes, 32 << 20);
    assert_eq!(limits.error_body_bytes, 64 << 10);
}

#[test]
fn connect_runs_until_the_request_is_sent() {
    let start = Instant::now();
    let mut life = clocked(CLOCKS, start);
    assert_eq!(life.deadline(), Some(start + secs(3)));
    assert_timed_out(&runs_out(&mut life), Clock::Connect, secs(3), false);

    let mut life = clocked(CLOCKS, start);
    life.sent(start + secs(2));
    assert_eq!((life.phase(), life.deadline()), (Phase::Opening, Some(start + secs(42))));
}

#[test]
fn first_event_runs_from_the_request_to_the_first_record() {
    let start = Instant::now();
    let mut life = clocked(CLOCKS, start);
    life.sent(start + secs(2));
    assert_timed_out(&runs_out(&mut life), Clock::FirstEvent, secs(40), true);

    // Neither the head, nor blank lines, nor half a record is a record.
    let mut life = clocked(CLOCKS, start);
    life.sent(start + secs(2));
    answered(&mut life, 200, start + secs(5));
    life.bytes(b"\n  \n{\"message\":{", start + secs(30));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!((life.phase(), life.deadline()), (Phase::Waiting, Some(start + secs(42))));
    assert_timed_out(&runs_out(&mut life), Clock::FirstEvent, secs(40), true);

    // A record without an event is a record.
    let mut life = clocked(CLOCKS, start);
    life.sent(start);
    answered(&mut life, 200, start);
    life.bytes(b"{\"done\":false}\n", start + secs(30));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!((life.phase(), life.deadline()), (Phase::Streaming, Some(start + secs(37))));
    assert_eq!(life.stats().first_event, Some(secs(30)));
}

#[test]
fn idle_runs_between_bytes() {
    let start = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), start);
    life.set_timeouts(CLOCKS);
    let mut events = Vec::new();
    for second in 1..=100 {
        life.bytes(RECORD, start + secs(second * 6));
        assert_eq!(drain(&mut life, &mut events), None);
        assert_eq!(life.deadline(), Some(start + secs(second * 6 + 7)));
    }
    let outcome = runs_out(&mut life);
    assert_timed_out(&outcome, Clock::Idle, secs(7), true);
    assert_eq!((outcome.reply.text.len(), outcome.stats.records), (100, 100));
    assert_eq!(outcome.stats.total, secs(607));
}

/// A stream that gets only `pieces`, one every five seconds, until it times out.
fn trickle(dialect: Dialect, timeouts: Timeouts, record: &[u8], piece: &[u8]) -> (Duration, Outcome) {
    let start = Instant::now();
    let mut life = open(dialect, Limits::default(), start);
    life.set_timeouts(timeouts);
    life.bytes(record, start);
    let mut now = start;
    loop {
        if let Some(outcome) = drain(&mut life, &mut Vec::new()) {
            return (now - start, outcome);
        }
        now += secs(1);
        life.tick(now);
        if (now - start).as_secs().is_multiple_of(5) {
            life.bytes(piece, now);
        }
    }
}

#[test]
fn the_record_clock_runs_between_whole_records_and_idle_never_while_bytes_flow() {
    let ping = br#"data: {"type":"unheard"}"#;
    for (dialect, record, piece) in [
        (Dialect::OpenAi, EVENT, &b": ping\n\n"[..]),
        (Dialect::OpenAi, EVENT, &[&ping[..], b"\n\n"].concat()),
        (Dialect::Ollama, RECORD, b" "),
        (Dialect::Ollama, RECORD, b"{}\n"),
    ] {
        let (after, outcome) = trickle(dialect, CLOCKS, record, piece);
        assert_eq!(after, secs(31));
        assert_timed_out(&outcome, Clock::Record, secs(31), true);
        // However short the idle timeout is, and however long that of the first record.
        let timeouts =
            Timeouts { first_event: None, idle: Some(secs(6)), record: Some(secs(3600)), ..CLOCKS };
        let (after, outcome) = trickle(dialect, timeouts, record, piece);
        assert_eq!(after, secs(3600));
        assert_timed_out(&outcome, Clock::Record, secs(3600), true);
    }
    let timeouts = Timeouts { record: None, total: Some(secs(5000)), ..CLOCKS };
    let (after, outcome) = trickle(Dialect::Ollama, timeouts, RECORD, b" ");
    assert_eq!(after, secs(5000));
    assert_timed_out(&outcome, Clock::Total, secs(5000), true);
}

#[test]
fn the_clocks_of_bytes_and_of_records_know_nothing_of_each_other() {
    let start = Instant::now();
    for (idle, record, due) in [
        (Some(secs(7)), Some(secs(31)), Some(secs(7))),
        (Some(secs(7)), Some(secs(2)), Some(secs(2))),
        (Some(secs(7)), None, Some(secs(7))),
        (None, Some(secs(31)), Some(secs(31))),
        (None, None, None),
    ] {
        let mut life = open(Dialect::Ollama, Limits::default(), start);
        life.set_timeouts(Timeouts { idle, record, ..CLOCKS });
        life.bytes(RECORD, start);
        assert_eq!(drain(&mut life, &mut Vec::new()), None);
        assert_eq!(life.deadline(), due.map(|due| start + due), "{idle:?} {record:?}");
    }
}

#[test]
fn usage_that_comes_after_the_reason_is_waited_for() {
    let start = Instant::now();
    let finish = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\n";
    let limits = Limits { finish_time: secs(1), usage_time: secs(5), ..Limits::default() };
    let mut life = open(Dialect::OpenAi, limits, start);
    life.bytes(EVENT, start);
    life.bytes(finish, start);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!((life.phase(), life.deadline()), (Phase::Finishing, Some(start + secs(5))));
    life.bytes(usage, start + secs(3));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!(life.deadline(), Some(start + secs(4)), "only the end is still to come");
    let outcome = runs_out(&mut life);
    assert_eq!(outcome.reply.usage.and_then(|usage| usage.prompt_tokens), Some(7));

    // The earlier time limit has nothing more to wait for.
    let mut life = open(Dialect::OpenAi, limits, start);
    life.bytes(usage, start);
    life.bytes(finish, start);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!(life.deadline(), Some(start + secs(1)));
    // The end marker says that there is none.
    let mut life = open(Dialect::OpenAi, limits, start);
    life.bytes(finish, start);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.bytes(b"data: [DONE]\n\n", start + secs(2));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!(life.deadline(), Some(start + secs(3)));
}

#[test]
fn total_runs_from_the_start_in_every_state_before_the_terminal_record() {
    let start = Instant::now();
    let total = Timeouts { total: Some(secs(2)), ..CLOCKS };
    let sent: fn(&mut Lifecycle, Instant) = |life, now| life.sent(now);
    let waiting: fn(&mut Lifecycle, Instant) = |life, now| answered(life, 200, now);
    let streaming: fn(&mut Lifecycle, Instant) = |life, now| {
        answered(life, 200, now);
        life.bytes(RECORD, now);
    };
    for (phase, reach, effect) in [
        (Phase::Connecting, (|_, _| {}) as fn(&mut Lifecycle, Instant), false),
        (Phase::Opening, sent, true),
        (Phase::Waiting, waiting, true),
        (Phase::Streaming, streaming, true),
    ] {
        let mut life = clocked(total, start);
        reach(&mut life, start + secs(1));
        assert_eq!(drain(&mut life, &mut Vec::new()), None);
        assert_eq!((life.phase(), life.deadline()), (phase, Some(start + secs(2))), "{phase:?}");
        assert_timed_out(&runs_out(&mut life), Clock::Total, secs(2), effect);
    }
}

#[test]
fn the_finish_time_is_all_a_complete_answer_waits_for() {
    let start = Instant::now();
    let mut life = open(Dialect::Ollama, Limits { finish_time: secs(1), ..Limits::default() }, start);
    life.set_timeouts(Timeouts { total: Some(secs(4)), ..CLOCKS });
    life.bytes(DONE, start + secs(3));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!((life.phase(), life.deadline()), (Phase::Finishing, Some(start + secs(4))));
    life.set_timeouts(Timeouts { total: Some(Duration::ZERO), ..CLOCKS });
    assert_eq!(life.deadline(), Some(start + secs(4)), "no other clock matters any more");
    life.bytes(b" ", start + secs(3));
    assert_eq!(life.deadline(), Some(start + secs(4)), "and nothing moves it");
    let outcome = runs_out(&mut life);
    assert!(outcome.is_completed() && outcome.ending.may_have_had_effect(), "{outcome:?}");
}

fn refused(limits: Limits, status: u16, now: Instant) -> Lifecycle {
    let mut life = Lifecycle::new(Dialect::Ollama, CLOCKS, limits, now);
    life.sent(now);
    life.opened(&Opened { status, retry_after: Some(secs(9)), ..Opened::default() }, now);
    assert_eq!(life.phase(), Phase::Opening);
    life
}

fn failure(outcome: Outcome) -> Error {
    assert_eq!(outcome.stats.records, 0);
    match outcome.ending {
        Ending::Failed(error) => error,
        other @ (Ending::Completed(_)
        | Ending::Truncated(_)
        | Ending::Cancelled { .. }
        | Ending::TimedOut { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn an_error_body_may_take_its_time_and_no_more() {
    let start = Instant::now();
    let mut life = refused(Limits { error_body_time: secs(2), ..Limits::default() }, 404, start);
    life.bytes(b"model 'x' ", start + secs(1));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.bytes(b"not found", start + secs(1));
    assert_eq!(life.deadline(), Some(start + secs(2)), "bytes do not move it");
    let error = failure(runs_out(&mut life));
    assert_eq!(error.message, "model 'x' not found (status 404)");
    assert_eq!((error.kind, error.fault, error.status), (ErrorKind::NotFound, Fault::Server, Some(404)));
    assert_eq!((error.may_have_had_effect, error.retry_after), (false, Some(secs(9))));
}

#[test]
fn an_error_body_is_read_up_to_its_limit() {
    let start = Instant::now();
    let mut life = refused(Limits { error_body_bytes: 10, ..Limits::default() }, 500, start);
    life.bytes(b"123456789", start);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.bytes(b"0123456789", start);
    let error = failure(drain(&mut life, &mut Vec::new()).expect("the limit was passed"));
    assert_eq!(error.message, "1234567890 (status 500)");
    assert!(error.may_have_had_effect);
}

#[test]
fn a_refusal_keeps_its_status_however_the_body_ends() {
    let start = Instant::now();
    let stops: [fn(&mut Lifecycle, Instant); 6] = [
        |life, now| life.ended(BodyEnd::Clean, now),
        |life, now| life.ended(BodyEnd::Cut, now),
        |life, now| life.failed(reset(), now),
        |life, now| life.cancel("enough", now),
        |life, now| life.tick(now + secs(5)),
        |life, now| {
            life.set_timeouts(Timeouts { total: Some(Duration::ZERO), ..CLOCKS });
            life.tick(now);
        },
    ];
    for stop in stops {
        let mut life = refused(Limits::default(), 503, start);
        life.bytes(br#"{"error":"server busy"}"#, start);
        stop(&mut life, start);
        let error = failure(drain(&mut life, &mut Vec::new()).expect("an outcome"));
        assert_eq!(error.message, "server busy (status 503)");
        assert_eq!((error.kind, error.retry_after), (ErrorKind::Busy, Some(secs(9))));
    }
}

#[test]
fn timeouts_change_while_the_stream_runs_and_count_from_where_they_were_started() {
    let start = Instant::now();
    let mut life = clocked(CLOCKS, start);
    life.set_timeouts(Timeouts { connect: Some(secs(5)), ..CLOCKS });
    assert_eq!(life.deadline(), Some(start + secs(5)));
    life.set_timeouts(Timeouts { connect: None, ..CLOCKS });
    assert_eq!(life.deadline(), None);
    life.sent(start + secs(1));
    life.set_timeouts(Timeouts { first_event: Some(secs(2)), ..CLOCKS });
    assert_eq!(life.timeouts().first_event, Some(secs(2)));
    assert_eq!(life.deadline(), Some(start + secs(3)));
    answered(&mut life, 200, start + secs(2));
    life.bytes(RECORD, start + secs(2));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.set_timeouts(Timeouts { idle: Some(secs(60)), total: Some(secs(30)), ..CLOCKS });
    assert_eq!(life.deadline(), Some(start + secs(30)));
    // A deadline in the past has expired.
    life.set_timeouts(Timeouts { total: Some(secs(1)), ..CLOCKS });
    life.tick(start + secs(2));
    let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_timed_out(&outcome, Clock::Total, secs(1), true);
}

#[test]
fn a_limit_too_long_to_be_represented_never_expires() {
    let start = Instant::now();
    let never = Some(Duration::MAX);
    let timeouts = Timeouts { connect: never, first_event: never, idle: never, record: never, total: never };
    let limits = Limits { error_body_time: Duration::MAX, finish_time: Duration::MAX, ..Limits::default() };
    let mut life = Lifecycle::new(Dialect::Ollama, timeouts, limits, start);
    assert_eq!(life.deadline(), None);
    answered(&mut life, 200, start);
    life.bytes(DONE, start);
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert!(life.deadline().is_some_and(|due| due > start + secs(86_400)), "the finish clock always runs");
    let mut life = Lifecycle::new(Dialect::Ollama, timeouts, limits, start);
    answered(&mut life, 500, start);
    assert!(life.deadline().is_some_and(|due| due > start + secs(86_400)), "the error body's too");
}

#[test]
fn time_that_goes_backwards_harms_nothing() {
    let start = Instant::now() + secs(1000);
    let mut life = open(Dialect::Ollama, Limits::default(), start);
    life.bytes(RECORD, start - secs(100));
    life.tick(start - secs(200));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    assert_eq!(life.stats().first_event, Some(Duration::ZERO));
    life.ended(BodyEnd::Clean, start - secs(300));
    let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_eq!(outcome.stats.total, Duration::ZERO);
}

#[test]
fn another_try_keeps_the_total_clock_and_starts_the_others_again() {
    let start = Instant::now();
    let busy = Error::from_status(503, b"busy", Some(secs(1)));
    let mut life = clocked(Timeouts { total: Some(secs(100)), ..CLOCKS }, start);
    life.sent(start + secs(1));
    life.failed(busy.clone(), start + secs(2));
    let first = drain(&mut life, &mut Vec::new()).expect("an outcome");

    let mut second = life.again(Dialect::OpenAi, first, start + secs(10));
    assert_eq!(second.retried(), std::slice::from_ref(&busy));
    assert_eq!((second.phase(), second.deadline()), (Phase::Connecting, Some(start + secs(13))));
    second.sent(start + secs(11));
    assert_eq!(second.deadline(), Some(start + secs(51)));
    second.failed(reset(), start + secs(12));
    let outcome = drain(&mut second, &mut Vec::new()).expect("an outcome");

    let mut third = second.again(Dialect::OpenAi, outcome, start + secs(97));
    assert_eq!(third.retried(), [busy.clone(), reset()]);
    assert_eq!(third.deadline(), Some(start + secs(100)));
    third.sent(start + secs(98));
    answered(&mut third, 200, start + secs(98));
    third.bytes(EVENT, start + secs(98));
    assert_eq!(drain(&mut third, &mut Vec::new()), None);
    assert_eq!(third.stats().first_event, Some(secs(98)), "from the start of the first try");
    let outcome = runs_out(&mut third);
    assert_timed_out(&outcome, Clock::Total, secs(100), true);
    assert_eq!(outcome.retried, [busy, reset()]);
}

#[test]
fn a_stream_restarted_has_its_own_clocks_and_begins_again() {
    let start = Instant::now();
    let mut life = clocked(CLOCKS, start);
    life.set_timeouts(Timeouts { total: Some(secs(2)), ..CLOCKS });
    let restarted = life.restarted(start + secs(500));
    assert_eq!((restarted.phase(), restarted.deadline()), (Phase::Connecting, Some(start + secs(502))));
    assert!(restarted.retried().is_empty());
}

#[test]
fn a_deadline_kept_by_others_ends_a_stream_as_its_total_clock_would() {
    let start = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), start);
    life.bytes(RECORD, start);
    life.expire(secs(33), start + secs(1));
    let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_timed_out(&outcome, Clock::Total, secs(33), true);
    assert_eq!(outcome.reply.text, "a", "what was received before counts");

    let mut life = clocked(CLOCKS, start);
    life.expire(secs(1), start);
    let outcome = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_timed_out(&outcome, Clock::Total, secs(1), false);

    let mut life = open(Dialect::Ollama, Limits::default(), start);
    life.bytes(DONE, start);
    life.expire(secs(1), start);
    assert!(drain(&mut life, &mut Vec::new()).expect("an outcome").is_completed());
}

#[test]
fn after_a_pause_all_clocks_but_the_total_start_again() {
    let start = Instant::now();
    let timeouts = Timeouts { total: Some(secs(1000)), ..CLOCKS };
    let mut life = clocked(timeouts, start);
    life.unpaused(start + secs(2));
    assert_eq!(life.deadline(), Some(start + secs(5)), "nobody connected meanwhile");
    life.sent(start + secs(2));
    life.unpaused(start + secs(100));
    assert_eq!(life.deadline(), Some(start + secs(140)));
    answered(&mut life, 200, start + secs(100));
    life.bytes(RECORD, start + secs(100));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.unpaused(start + secs(500));
    assert_eq!(life.deadline(), Some(start + secs(507)));
    life.unpaused(start + secs(999));
    assert_eq!(life.deadline(), Some(start + secs(1000)));
}

#[test]
fn a_cut_stream_continues_with_all_it_had() {
    let start = Instant::now();
    let limits = Limits { reply_bytes: 12, ..Limits::default() };
    let mut life = Lifecycle::new(Dialect::Ollama, CLOCKS, limits, start);
    life.sent(start);
    answered(&mut life, 200, start);
    life.bytes(b"{\"model\":\"m\",\"message\":{\"content\":\"12345\xff\"}}\n{\"message\":{", start + secs(1));
    assert_eq!(drain(&mut life, &mut Vec::new()), None);
    life.ended(BodyEnd::Cut, start + secs(2));
    let cut = drain(&mut life, &mut Vec::new()).expect("an outcome");
    assert_eq!(cut.stats.undecoded_bytes, 12);

    let mut next = life.continued(Dialect::Ollama, cut.clone(), start + secs(3));
    assert_eq!((next.phase(), next.reply().text.as_str()), (Phase::Connecting, "12345\u{fffd}"));
    assert_eq!(next.retried(), [cut.ending.error().expect("it was cut")]);
    next.sent(start + secs(3));
    answered(&mut next, 200, start + secs(3));
    next.bytes(b"{\"message\":{\"content\":\"6\xff\"}}\n{", start + secs(4));
    next.ended(BodyEnd::Clean, start + secs(5));
    let mut events = Vec::new();
    let second = drain(&mut next, &mut events).expect("an outcome");
    assert_eq!(events, [towline_core::event::Event::Text("6\u{fffd}".into())], "what is new");
    assert_eq!(second.reply.text, "12345\u{fffd}6\u{fffd}");
    assert_eq!(second.reply.model.as_deref(), Some("m"));
    let stats = second.stats;
    assert_eq!((stats.stitches, stats.records, stats.replaced_text, stats.undecoded_bytes), (1, 2, 2, 13));
    assert_eq!((stats.first_event, stats.total), (Some(secs(1)), secs(5)));

    // The limit is for the whole answer, not for each piece.
    let mut third = next.continued(Dialect::Ollama, second, start + secs(5));
    answered(&mut third, 200, start + secs(5));
    third.bytes(b"{\"message\":{\"content\":\"7\"}}\n", start + secs(5));
    let outcome = drain(&mut third, &mut Vec::new()).expect("the reply is longer than its limit");
    assert!(
        matches!(&outcome.ending, Ending::Failed(error) if error.kind == ErrorKind::Limit),
        "{outcome:?}"
    );
    assert_eq!((outcome.stats.stitches, outcome.reply.text.len()), (2, 13));
}

/// The table of whether the server may have acted, for each state in which a stream can be stopped.
#[test]
fn an_effect_is_possible_once_the_request_was_sent() {
    let start = Instant::now();
    // From a transport that does not know whether the request was sent.
    let unsent = || Error::new(ErrorKind::ConnectionLost, Fault::Transport, "lost");
    type Reach = fn(&mut Lifecycle, Instant);
    let states: [(Phase, Reach); 4] = [
        (Phase::Connecting, |_, _| {}),
        (Phase::Opening, |life, now| life.sent(now)),
        (Phase::Waiting, |life, now| answered(life, 200, now)),
        (Phase::Streaming, |life, now| {
            answered(life, 200, now);
            life.bytes(RECORD, now);
        }),
    ];
    for (phase, reach) in states {
        let stopped = |stop: &dyn Fn(&mut Lifecycle)| {
            let mut life = clocked(CLOCKS, start);
            reach(&mut life, start);
            assert_eq!(drain(&mut life, &mut Vec::new()), None);
            assert_eq!(life.phase(), phase);
            stop(&mut life);
            drain(&mut life, &mut Vec::new()).expect("an outcome").ending.may_have_had_effect()
        };
        let sent = phase != Phase::Connecting;
        assert_eq!(stopped(&|life| life.cancel("", start)), sent, "{phase:?}");
        assert_eq!(stopped(&|life| life.tick(start + secs(100))), sent, "{phase:?}");
        assert_eq!(stopped(&|life| life.ended(BodyEnd::Clean, start)), sent, "{phase:?}");
        assert_eq!(stopped(&|life| life.ended(BodyEnd::Cut, start)), sent, "{phase:?}");
        // The transport knows whether the request was sent, but an answer proves that it arrived.
        let answered = matches!(phase, Phase::Waiting | Phase::Streaming);
        assert_eq!(stopped(&|life| life.failed(unsent(), start)), answered, "{phase:?}");
        assert!(stopped(&|life| life.failed(reset(), start)), "{phase:?}");
    }
}
