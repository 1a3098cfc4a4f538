//! A stream that is cut at any position has a true outcome: completed from its terminal record on, never before.

use std::time::Instant;

use serde_json::Value;
use towline_core::error::ErrorKind;
use towline_core::outcome::{Ending, FinishReason};
use towline_core::stream::{BodyEnd, Lifecycle, Phase};
use towline_core::timeouts::Limits;
use towline_testkit::corpus::{self, Case};

use crate::support::{End, Run, dialect, drain, open, reset, run, without_times};

/// The maximum length of a stream that is cut at every position: the work grows with the square of its length.
const EVERY_CUT_BYTES: usize = 2 << 10;

/// Lengths of prefixes to try; for a long stream fewer, but most of those that end near its terminal record.
fn lengths(case: &Case) -> impl Iterator<Item = usize> {
    let whole = case.stream.len();
    let (far, near) = if whole <= EVERY_CUT_BYTES {
        (1, 1)
    } else if whole < 20_000 {
        ((whole / 199) | 1, 1)
    } else {
        ((whole / 29) | 1, 11)
    };
    let tail = whole.saturating_sub(400);
    (0..tail).step_by(far).chain((tail..whole).step_by(near)).chain([whole])
}

#[test]
fn every_prefix_ends_in_the_right_outcome() {
    for case in corpus::load_all() {
        let whole = run(dialect(&case), [&case.stream[..]], End::Clean);
        let (terminal, mut was_decided) = (terminal_end(&case), false);
        for length in lengths(&case) {
            let prefix = &case.stream[..length];
            let runs = End::ALL.map(|end| run(dialect(&case), [prefix], end));
            let name = format!("{} cut at {length}", case.name);
            for run in &runs {
                let known = run.events.len().min(whole.events.len());
                assert!(
                    run.events[..known] == whole.events[..known]
                        && run.events.len() <= last_event(&case, &whole),
                    "{name}: {:?} is not the beginning of {:?}",
                    run.events,
                    whole.events
                );
            }
            if prefix.trim_ascii_start().starts_with(b"<") {
                // A web page is a failure from its first byte on, with the words that have arrived.
                for run in runs {
                    let Ending::Failed(error) = &run.outcome.ending else {
                        panic!("{name}: {:?}", run.outcome)
                    };
                    assert!(error.message.contains("web page"), "{name}: {error}");
                }
                was_decided = true;
                continue;
            }
            let is_complete = terminal.is_some_and(|end| end <= length);
            let decided = check(&name, is_complete, &whole, &runs);
            assert!(decided || !was_decided, "{name}: what was decided is open again");
            was_decided = decided;
        }
        let is_decided = match whole.outcome.ending {
            Ending::Completed(_) => true,
            Ending::Failed(_) => true,
            Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => false,
        };
        assert_eq!(was_decided, is_decided, "{}", case.name);
    }
}

/// How many events a prefix can have.
fn last_event(case: &Case, whole: &Run) -> usize {
    // The line is valid up to the end of the first record; the second one makes it invalid.
    whole.events.len() + usize::from(case.name == "ollama-chat/two-records-on-one-line")
}

/// Whether the stream itself has decided how it ends; if not, the end of the body decides.
fn check(name: &str, is_complete: bool, whole: &Run, runs: &[Run; 4]) -> bool {
    for run in runs {
        assert_eq!(run.outcome.is_completed(), is_complete, "{name}: {:?}", run.outcome);
    }
    if is_complete {
        return true;
    }
    let [clean, cut, broken, cancelled] = runs;
    if broken.outcome.ending == whole.outcome.ending {
        assert!(matches!(broken.outcome.ending, Ending::Failed(_)), "{name}");
        for run in runs {
            assert_eq!(run.outcome, whole.outcome, "{name}");
        }
        return true;
    }
    let can_fail = matches!(whole.outcome.ending, Ending::Failed(_));
    for run in [clean, cut] {
        match &run.outcome.ending {
            Ending::Truncated(error) => {
                assert!(error.kind == ErrorKind::Truncated && error.may_have_had_effect, "{name}");
            }
            Ending::Failed(_) if can_fail => {}
            Ending::Failed(_) | Ending::Completed(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => {
                panic!("{name}: {:?}", run.outcome)
            }
        }
    }
    assert_eq!(broken.outcome.ending, Ending::Failed(reset()), "{name}");
    let enough = Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true };
    assert_eq!(cancelled.outcome.ending, enough, "{name}");
    false
}

/// The position of the end of the terminal record.
fn terminal_end(case: &Case) -> Option<usize> {
    let ends = (1..=case.stream.len()).filter(|end| matches!(case.stream[end - 1], b'}' | b']'));
    ends.into_iter().find(|end| has_terminal_record(case, &case.stream[..*end]))
}

/// Whether the bytes hold a complete terminal record, without the code under test.
fn has_terminal_record(case: &Case, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let is_terminal = |record: &Value| match case.dialect {
        corpus::Dialect::OllamaChat | corpus::Dialect::OllamaGenerate => record["done"] == true,
        corpus::Dialect::OllamaPull | corpus::Dialect::OllamaPush | corpus::Dialect::OllamaCreate => {
            record["status"] == "success"
        }
        corpus::Dialect::OpenAiChat => {
            record["choices"][0]["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty())
        }
    };
    let records: Vec<String> = if case.dialect == corpus::Dialect::OpenAiChat {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let value = |line: &str| line.strip_prefix("data:").map(str::to_owned);
        let event = |event: &str| event.lines().filter_map(value).collect::<Vec<_>>().join("\n");
        lines.split("\n\n").map(event).collect()
    } else {
        text.split('\n').map(str::to_owned).collect()
    };
    let mut came_before = false;
    for record in records {
        if record.trim() == "[DONE]" {
            return came_before;
        }
        match serde_json::from_str::<Value>(&record) {
            Ok(record) if !record["error"].is_null() => return false,
            Ok(record) if is_terminal(&record) => return true,
            // Every record of the corpus with one of these is known.
            Ok(record @ Value::Object(_)) => came_before |= !record["choices"].is_null(),
            // serde_json rejects a lone surrogate; no terminal record of the corpus has one.
            Err(error) if error.to_string().contains("hex escape") || record.trim().is_empty() => {}
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

/// Each stream that completes, cut right after its terminal record.
fn completed() -> impl Iterator<Item = (Case, Lifecycle, Run)> {
    corpus::load_all().into_iter().filter_map(|mut case| {
        let whole = run(dialect(&case), [&case.stream[..]], End::Clean);
        case.stream.truncate(terminal_end(&case)?);
        case.stream.extend_from_slice(b"\n\n");
        let mut life =
            open(dialect(&case), Limits { line_bytes: 1 << 20, ..Limits::default() }, Instant::now());
        life.bytes(&case.stream, Instant::now());
        Some((case, life, whole))
    })
}

#[test]
fn nothing_after_the_terminal_record_undoes_it() {
    type Blow = fn(&mut Lifecycle, Instant);
    let blows: &[(&str, Blow)] = &[
        ("a clean end", |life, now| life.ended(BodyEnd::Clean, now)),
        ("a cut", |life, now| life.ended(BodyEnd::Cut, now)),
        ("a reset", |life, now| life.failed(reset(), now)),
        ("a cancel", |life, now| life.cancel("late", now)),
        ("silence", |_, _| {}),
        ("garbage", |life, now| life.bytes(b"\x00\xff<html>\n\n", now)),
        ("garbage without an end", |life, now| life.bytes(&b"x".repeat(2 << 20), now)),
        ("half a record", |life, now| life.bytes(b"{\"model\":", now)),
        ("an error line", |life, now| life.bytes(b"{\"error\":\"too late\"}\n", now)),
        ("an error event", |life, now| life.bytes(b"data: {\"error\":{\"message\":\"too late\"}}\n\n", now)),
        ("more text", |life, now| {
            life.bytes(b"{\"message\":{\"content\":\"more\"},\"response\":\"more\",\"done\":false}\n", now);
            life.bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"more\"}}]}\n\n", now);
        }),
        ("another end", |life, now| {
            life.bytes(b"{\"done\":true,\"done_reason\":\"other\",\"eval_count\":7}\n", now);
            life.bytes(b"{\"status\":\"success\"}\n", now);
            life.bytes(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"other\"}]}\n\n", now);
        }),
    ];
    let mut cases = 0;
    for (name, blow) in blows {
        for (case, mut life, whole) in completed() {
            let mut events = Vec::new();
            let early = drain(&mut life, &mut events);
            assert!(early.is_none(), "{}: still to be drained", case.name);
            assert_eq!(life.phase(), Phase::Finishing, "{}", case.name);
            let due = life.deadline().expect("the finish clock runs");
            blow(&mut life, Instant::now());
            let outcome = drain(&mut life, &mut events).unwrap_or_else(|| {
                assert_eq!(
                    life.deadline(),
                    Some(due),
                    "{} {name}: bytes do not move the finish clock",
                    case.name
                );
                life.tick(due);
                drain(&mut life, &mut events).expect("the finish clock ends it")
            });
            assert!(whole.events.starts_with(&events), "{} {name}: {events:?}", case.name);
            let Ending::Completed(reason) = &outcome.ending else {
                panic!("{} {name}: {outcome:?}", case.name)
            };
            assert_eq!(
                reason.as_ref().map(FinishReason::as_str),
                case.expected.reason.as_deref(),
                "{}",
                case.name
            );
            let reply = (&outcome.reply.text, &outcome.reply.thinking, &outcome.reply.tool_calls);
            let reply_of_all =
                (&whole.outcome.reply.text, &whole.outcome.reply.thinking, &whole.outcome.reply.tool_calls);
            assert_eq!(reply, reply_of_all, "{} {name}", case.name);
            assert_eq!(without_times(outcome).stats.undecoded_bytes, 0, "{} {name}", case.name);
            cases += 1;
        }
    }
    assert!(cases > 1000, "only {cases}");
}
