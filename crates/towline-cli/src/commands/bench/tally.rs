//! The counts of a measurement.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use towline::{Ending, Outcome};

/// Maximum time in a histogram, in microseconds: an hour.
const MAX_MICROS: u64 = 3_600_000_000;
/// Number of significant digits of a time.
const DIGITS: u8 = 3;

/// Counts and times of many streams.
#[derive(Debug)]
pub struct Tally {
    /// From the start of a request to its first token, in microseconds.
    pub first_token: Histogram<u64>,
    /// Between two tokens of a stream, in microseconds.
    pub gap: Histogram<u64>,
    /// Tokens a second of each stream, from its first token on, in thousandths.
    pub rate: Histogram<u64>,
    /// Records of all streams.
    pub records: u64,
    /// Tokens of all streams: as the server counts them, else records with text.
    pub tokens: u64,
    /// Number of streams by outcome.
    pub endings: BTreeMap<&'static str, u64>,
    /// Number of errors by kind and message.
    pub errors: BTreeMap<(&'static str, String), u64>,
    /// Streams that ended.
    pub done: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let histogram = || {
            Histogram::new_with_max(MAX_MICROS, DIGITS)
                .unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
        };
        let endings = ["completed", "truncated", "cancelled", "timed_out", "failed"];
        Self {
            first_token: histogram(),
            gap: histogram(),
            rate: histogram(),
            records: 0,
            tokens: 0,
            endings: endings.into_iter().map(|name| (name, 0)).collect(),
            errors: BTreeMap::new(),
            done: 0,
        }
    }

    /// The first token of a stream came this long after its start.
    pub fn first_token(&mut self, after: Duration) {
        self.first_token.saturating_record(micros(after));
    }

    /// The next token of a stream came this long after the last.
    pub fn gap(&mut self, gap: Duration) {
        self.gap.saturating_record(micros(gap));
    }

    /// A stream ended. `tokens` were seen, from the first to the last in `streaming`.
    pub fn end(&mut self, outcome: &Outcome, tokens: u64, streaming: Duration) {
        self.done += 1;
        self.records += outcome.stats.records;
        let counted = outcome.reply.usage.as_ref().and_then(|usage| usage.completion_tokens);
        let tokens = counted.unwrap_or(tokens);
        self.tokens += tokens;
        if tokens > 1 && !streaming.is_zero() {
            let rate = (tokens - 1) as f64 / streaming.as_secs_f64();
            self.rate.saturating_record((rate * 1000.0) as u64);
        }
        *self.endings.entry(outcome.ending.as_str()).or_default() += 1;
        if let Some(error) = outcome.ending.error()
            && !matches!(outcome.ending, Ending::Cancelled { .. })
        {
            *self.errors.entry((error.kind.as_str(), error.message)).or_default() += 1;
        }
    }

    /// Number of streams that did not complete.
    pub fn not_completed(&self) -> u64 {
        self.done - self.endings.get("completed").copied().unwrap_or(0)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
