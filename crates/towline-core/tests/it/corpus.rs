//! Every stream of the corpus has its expected reading.

use towline_core::outcome::{Ending, FinishReason};
use towline_testkit::corpus::{self, Case};

use crate::support::{End, Run, dialect, run, same};

#[test]
fn every_case_is_read_as_expected() {
    let wrong: Vec<String> = corpus::load_all().iter().filter_map(difference).collect();
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn difference(case: &Case) -> Option<String> {
    let Run { events, outcome } = run(dialect(case), [&case.stream[..]], End::Clean);
    let wanted = &case.expected;
    let same_events = events.len() == wanted.events.len()
        && events.iter().zip(&wanted.events).all(|(found, wanted)| same(found, wanted));
    let (reason, said) = match &outcome.ending {
        Ending::Completed(reason) => (reason.as_ref().map(FinishReason::as_str), None),
        Ending::Failed(error) => (None, Some(error.to_string())),
        Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => (None, None),
    };
    let same_error = match &wanted.error_contains {
        Some(text) => said.as_ref().is_some_and(|said| said.contains(text)),
        None => true,
    };
    let same_end = outcome.ending.as_str() == format!("{:?}", wanted.ending).to_lowercase()
        && reason == wanted.reason.as_deref()
        && outcome.stats.records == wanted.records as u64
        && outcome.not_understood.count == wanted.not_understood
        && outcome.stats.replaced_text == replaced(case);
    if same_events && same_error && same_end {
        return None;
    }
    Some(format!("{}\n  wanted {wanted:?}\n  found {events:?}\n    {outcome:?}", case.name))
}

/// The corpus counts invalid UTF-8, but not lone surrogates, which towline counts too.
fn replaced(case: &Case) -> u64 {
    let halves = match case.name.as_str() {
        "ollama-chat/lone-surrogate-escapes" => 2,
        _ => 0,
    };
    case.expected.replaced_utf8 as u64 + halves
}
