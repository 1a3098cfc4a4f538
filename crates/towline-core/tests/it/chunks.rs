//! The same bytes are the same stream, however they are split.

use std::time::Instant;

use towline_core::event::Event;
use towline_core::log::{Log, Offset, Pieces};
use towline_core::timeouts::Limits;
use towline_testkit::chunk;
use towline_testkit::corpus::{self, Case};

use crate::support::{End, Run, dialect, drain, open, run, without_times};

/// The maximum length of a stream that is cut at every position: the work grows with the square of its length.
const EVERY_CUT_BYTES: usize = 4 << 10;

fn check<'a>(case: &Case, whole: &Run, pieces: impl IntoIterator<Item = &'a [u8]>, end: End, how: &str) {
    let cut = run(dialect(case), pieces, end);
    assert!(cut == *whole, "{} {how} {end:?}\n  whole {whole:?}\n  cut {cut:?}", case.name);
}

#[test]
fn every_single_cut() {
    for case in corpus::load_all() {
        let whole = run(dialect(&case), [&case.stream[..]], End::Clean);
        // Cuts of a long stream are a prime number of bytes apart, so that they fall on every kind of position.
        let step = if case.stream.len() <= EVERY_CUT_BYTES { 1 } else { (case.stream.len() / 499) | 1 };
        for (at, pieces) in chunk::single_cuts(&case.stream).enumerate().step_by(step) {
            check(&case, &whole, pieces, End::Clean, &format!("cut at {}", at + 1));
        }
    }
}

#[test]
fn random_cuts_and_byte_by_byte() {
    for (seed, case) in (0..).zip(corpus::load_all()) {
        for end in End::ALL {
            let whole = run(dialect(&case), [&case.stream[..]], end);
            check(&case, &whole, chunk::byte_by_byte(&case.stream), end, "byte by byte");
            for (nth, pieces) in chunk::random_cuts(&case.stream, seed, 8).enumerate() {
                check(&case, &whole, pieces, end, &format!("seed {seed}, chunking {nth}"));
            }
        }
    }
}

#[test]
fn polling_now_and_then_gives_the_same() {
    for (seed, case) in (1000..).zip(corpus::load_all()) {
        let whole = run(dialect(&case), [&case.stream[..]], End::Clean);
        for every in [2, 3, usize::MAX] {
            let now = Instant::now();
            let mut life = open(dialect(&case), Limits::default(), now);
            let mut events = Vec::new();
            for (nth, piece) in chunk::random_cuts(&case.stream, seed, 1).flatten().enumerate() {
                life.bytes(piece, now);
                if nth % every == 1 {
                    // One event at a time, as a slow reader takes them.
                    events.extend(life.next_event());
                }
            }
            End::Clean.apply(&mut life, now);
            let outcome = drain(&mut life, &mut events).expect("an outcome");
            let slow = Run { events, outcome: without_times(outcome) };
            assert!(slow == whole, "{} every {every}\n  whole {whole:?}\n  slow {slow:?}", case.name);
        }
    }
}

#[test]
fn events_that_are_joined_as_they_arrive_make_the_same_log() {
    let texts = |events: &[Event]| {
        events.iter().filter(|e| matches!(e, Event::Text(_) | Event::Thinking(_))).count() as u64
    };
    for (seed, case) in (2000..).zip(corpus::load_all()) {
        let whole = run(dialect(&case), [&case.stream[..]], End::Clean);
        let now = Instant::now();
        let mut life = open(dialect(&case), Limits::default(), now);
        let (mut log, mut joined_log, mut joined) = (Log::default(), Log::default(), Pieces::default());
        let mut pieces_of_text = 0;
        for (nth, piece) in chunk::random_cuts(&case.stream, seed, 1).flatten().enumerate() {
            life.bytes(piece, now);
            while life.next_into(&mut joined) {}
            if nth % 3 == 0 {
                pieces_of_text += joined_log.append_all(&mut joined);
                assert!(joined.is_empty());
            }
        }
        End::Clean.apply(&mut life, now);
        while life.next_into(&mut joined) {}
        let outcome = without_times(life.take_outcome().expect("an outcome"));
        assert_eq!(outcome, whole.outcome, "{}", case.name);
        pieces_of_text += joined_log.append_all(&mut joined);
        assert_eq!(pieces_of_text, texts(&whole.events), "{}", case.name);
        whole.events.into_iter().for_each(|event| log.append(event));
        let [log, joined_log] = [log, joined_log].map(|log| log.read(Offset::START, usize::MAX).events);
        assert_eq!(joined_log, log, "{}", case.name);
    }
}
