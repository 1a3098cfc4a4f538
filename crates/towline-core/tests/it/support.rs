//! A stream that tests feed, and its events.

use std::time::{Duration, Instant};

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::{Event, TokenLogprob, Usage};
use towline_core::outcome::{Outcome, Stats};
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};
use towline_testkit::corpus::{self, Case};

/// Random cases, the same in every run.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

/// Everything a stream yielded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) events: Vec<Event>,
    pub(crate) outcome: Outcome,
}

/// How the test ends a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Cut,
    Broken,
    Cancel,
}

impl End {
    pub(crate) const ALL: [Self; 4] = [Self::Clean, Self::Cut, Self::Broken, Self::Cancel];

    pub(crate) fn apply(self, life: &mut Lifecycle, now: Instant) {
        match self {
            Self::Clean => life.ended(BodyEnd::Clean, now),
            Self::Cut => life.ended(BodyEnd::Cut, now),
            Self::Broken => life.ended(BodyEnd::Broken(reset()), now),
            Self::Cancel => life.cancel("enough", now),
        }
    }
}

pub(crate) fn reset() -> Error {
    Error::new(ErrorKind::ConnectionLost, Fault::Transport, "the connection was reset").with_effect(true)
}

pub(crate) fn dialect(case: &Case) -> Dialect {
    match case.dialect {
        corpus::Dialect::OllamaChat | corpus::Dialect::OllamaGenerate => Dialect::Ollama,
        corpus::Dialect::OllamaPull | corpus::Dialect::OllamaPush | corpus::Dialect::OllamaCreate => {
            Dialect::OllamaProgress
        }
        corpus::Dialect::OpenAiChat => Dialect::OpenAi,
    }
}

/// A stream whose response has begun with status 200.
pub(crate) fn open(dialect: Dialect, limits: Limits, now: Instant) -> Lifecycle {
    let mut life = Lifecycle::new(dialect, Timeouts::default(), limits, now);
    life.sent(now);
    life.opened(&Opened { status: 200, ..Opened::default() }, now);
    life
}

/// Polls until there is nothing more.
pub(crate) fn drain(life: &mut Lifecycle, events: &mut Vec<Event>) -> Option<Outcome> {
    while let Some(event) = life.next_event() {
        events.push(event);
    }
    life.take_outcome()
}

/// Feeds pieces, polling after each, and then an end.
pub(crate) fn run<'a>(dialect: Dialect, pieces: impl IntoIterator<Item = &'a [u8]>, end: End) -> Run {
    let now = Instant::now();
    let mut life = open(dialect, Limits::default(), now);
    let (mut events, mut outcome) = (Vec::new(), None);
    for piece in pieces {
        life.bytes(piece, now);
        outcome = outcome.or(drain(&mut life, &mut events));
    }
    end.apply(&mut life, now);
    let outcome =
        outcome.or_else(|| drain(&mut life, &mut events)).expect("a stream that ended has an outcome");
    Run { events, outcome: without_times(outcome) }
}

/// The outcome without the parts that depend on time and on how the bytes were split: times, and the bytes read after a
/// record that ended the stream.
pub(crate) fn without_times(mut outcome: Outcome) -> Outcome {
    outcome.stats = Stats { total: Duration::ZERO, first_event: None, received_bytes: 0, ..outcome.stats };
    outcome
}

/// Events compared by the rules of the corpus: log probabilities with a tolerance.
pub(crate) fn same(found: &Event, wanted: &corpus::Event) -> bool {
    match (found, wanted) {
        (Event::Text(found), corpus::Event::Text(wanted))
        | (Event::Thinking(found), corpus::Event::Thinking(wanted)) => found == wanted,
        (Event::ToolCall(call), corpus::Event::ToolCall { id, name, arguments }) => {
            // As text, because the order of the keys matters.
            let json = [call.arguments.to_string(), arguments.to_string()];
            (&call.id, &call.name) == (id, name) && json[0] == json[1]
        }
        (Event::Progress(found), corpus::Event::Progress(wanted)) => {
            found.status == wanted.status.clone().unwrap_or_default()
                && (&found.digest, found.completed, found.total)
                    == (&wanted.digest, wanted.completed, wanted.total)
        }
        (Event::Usage(found), corpus::Event::Usage(wanted)) => same_usage(found, wanted),
        (Event::Logprobs(found), corpus::Event::Logprobs(wanted)) => same_logprobs(found, wanted),
        _ => false,
    }
}

fn same_usage(found: &Usage, wanted: &corpus::Usage) -> bool {
    // The corpus has only Ollama's own times, which include a total.
    let ns = |time: Option<Duration>| {
        wanted.total_ns?;
        time.map(|time| u64::try_from(time.as_nanos()).unwrap())
    };
    let found = corpus::Usage {
        prompt_tokens: found.prompt_tokens,
        completion_tokens: found.completion_tokens,
        cached_tokens: found.cached_prompt_tokens,
        total_ns: ns(found.total),
        load_ns: ns(found.load),
        prompt_ns: ns(found.prompt),
        completion_ns: ns(found.completion),
    };
    found == *wanted
}

fn same_logprobs(found: &[TokenLogprob], wanted: &[corpus::Logprob]) -> bool {
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| {
            found.token == wanted.token
                && (found.logprob - wanted.logprob).abs() <= 1e-9
                && same_logprobs(&found.top_logprobs, &wanted.top)
        })
}
