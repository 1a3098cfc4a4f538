//! Measurements of answers, by model, model server and owner.
//!
//! Names and bounds are those of OpenTelemetry's conventions for generative AI
//! (`gen_ai.client.*`, <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>), with further bounds for models
//! that load for minutes and write for an hour.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use towline::relay::AnswerState;
use towline_core::event::Usage;

use super::histogram::Histogram;
use super::label;

/// Maximum number of combinations of model, server and owner; further ones count as `other`.
const MAX_SERIES: usize = 200;
/// Maximum length of a label's value, in characters.
const MAX_LABEL: usize = 100;

const DURATION_S: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68,
    655.36, 1310.72, 2621.44,
];
const FIRST_CHUNK_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    120.0, 300.0,
];
const CHUNK_GAP_S: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 10.0, 60.0];
const TOKENS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];
const BYTES: &[f64] =
    &[256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// The measurements of one running answer. Only its task has them, so a record needs no lock.
#[derive(Debug)]
pub(crate) struct Measured {
    gaps: Histogram,
    last_chunk: Option<Instant>,
    pub(crate) first_chunk: Option<Duration>,
    pub(crate) duration: Duration,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

impl Measured {
    pub(crate) fn new() -> Self {
        Self {
            gaps: Histogram::new(CHUNK_GAP_S),
            last_chunk: None,
            first_chunk: None,
            duration: Duration::ZERO,
            input_tokens: None,
            output_tokens: None,
        }
    }

    /// This many records arrived at once.
    pub(crate) fn chunks(&mut self, count: u64, now: Instant) {
        if let Some(last) = self.last_chunk.replace(now) {
            self.gaps.add((now - last).as_secs_f64());
        }
        self.gaps.add_many(0.0, count.saturating_sub(1));
    }

    pub(crate) fn usage(&mut self, usage: &Usage) {
        self.input_tokens = usage.prompt_tokens.or(self.input_tokens);
        self.output_tokens = usage.completion_tokens.or(self.output_tokens);
    }
}

/// The key by which answers are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) model: String,
    pub(crate) server: String,
    pub(crate) owner: String,
}

impl Series {
    fn other() -> Self {
        let other = || "other".to_owned();
        Self { model: other(), server: other(), owner: other() }
    }

    fn labels(&self) -> String {
        let short = |text: &str| label(&text.chars().take(MAX_LABEL).collect::<String>());
        let Self { model, server, owner } = self;
        format!(
            "gen_ai_request_model=\"{}\",server=\"{}\",owner=\"{}\"",
            short(model),
            short(server),
            short(owner)
        )
    }
}

#[derive(Debug)]
struct Histograms {
    durations: BTreeMap<String, Histogram>,
    first_chunk: Histogram,
    gaps: Histogram,
    input_tokens: Histogram,
    output_tokens: Histogram,
    bytes: Histogram,
}

/// The histograms of all ended answers.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<BTreeMap<Series, Histograms>>);

impl Answers {
    pub(crate) fn ended(&self, series: Series, state: &AnswerState, bytes: u64, measured: &Measured) {
        let mut all = self.lock();
        let is_known = all.contains_key(&series) || all.len() < MAX_SERIES;
        let histograms =
            all.entry(if is_known { series } else { Series::other() }).or_insert_with(|| Histograms {
                durations: BTreeMap::new(),
                first_chunk: Histogram::new(FIRST_CHUNK_S),
                gaps: Histogram::new(CHUNK_GAP_S),
                input_tokens: Histogram::new(TOKENS),
                output_tokens: Histogram::new(TOKENS),
                bytes: Histogram::new(BYTES),
            });
        let duration = histograms.durations.entry(state.as_str().to_owned());
        duration.or_insert_with(|| Histogram::new(DURATION_S)).add(measured.duration.as_secs_f64());
        if let Some(first) = measured.first_chunk {
            histograms.first_chunk.add(first.as_secs_f64());
        }
        histograms.gaps.merge(&measured.gaps);
        if let Some(tokens) = measured.input_tokens {
            histograms.input_tokens.add(tokens as f64);
        }
        if let Some(tokens) = measured.output_tokens {
            histograms.output_tokens.add(tokens as f64);
        }
        histograms.bytes.add(bytes as f64);
    }

    /// How many have ended in this state.
    pub(crate) fn count(&self, state: &AnswerState) -> u64 {
        let all = self.lock();
        all.values().filter_map(|each| each.durations.get(state.as_str())).map(Histogram::count).sum()
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> f64 {
        self.lock().values().map(|each| each.bytes.sum()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Series, Histograms>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, as text.
    pub(crate) fn write(&self, text: &mut String) {
        let all = self.lock();
        let all: Vec<(String, &Histograms)> =
            all.iter().map(|(series, each)| (series.labels(), each)).collect();
        let head = |text: &mut String, name: &str, help: &str| {
            let _never_fails = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        };
        let name = "gen_ai_client_operation_duration_seconds";
        head(text, name, "Time from the start of an answer to its end, by outcome.");
        for (labels, each) in &all {
            for (outcome, histogram) in &each.durations {
                histogram.write(text, name, &format!("{labels},outcome=\"{}\"", label(outcome)));
            }
        }
        let mut plain = |name: &str, help: &str, of: &dyn Fn(&Histograms) -> &Histogram| {
            head(text, name, help);
            for (labels, each) in &all {
                of(each).write(text, name, labels);
            }
        };
        plain(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time from the start of an answer to its first record.",
            &|each| &each.first_chunk,
        );
        plain(
            "gen_ai_client_operation_time_per_output_chunk_seconds",
            "Time between two records of an answer.",
            &|each| &each.gaps,
        );
        plain("towline_relay_answer_bytes", "Bytes of an answer.", &|each| &each.bytes);
        let name = "gen_ai_client_token_usage";
        head(text, name, "Tokens of an answer, as its server counted them.");
        for (labels, each) in &all {
            each.input_tokens.write(text, name, &format!("{labels},gen_ai_token_type=\"input\""));
            each.output_tokens.write(text, name, &format!("{labels},gen_ai_token_type=\"output\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(model: usize) -> Series {
        Series { model: format!("m{model}"), server: "s".into(), owner: "o".into() }
    }

    #[test]
    fn chunks_are_counted_with_the_time_before_them() {
        let mut measured = Measured::new();
        let began = Instant::now();
        measured.chunks(1, began);
        measured.chunks(3, began + Duration::from_millis(300));
        let mut text = String::new();
        measured.gaps.write(&mut text, "gap", "");
        assert!(text.contains("gap_bucket{le=\"0.2\"} 2\ngap_bucket{le=\"0.3\"} 3\n"), "{text}");
        assert!(text.ends_with("gap_sum 0.3\ngap_count 3\n"), "{text}");
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let answers = Answers::default();
        for model in 0..MAX_SERIES + 10 {
            answers.ended(series(model), &AnswerState::Completed, 1, &Measured::new());
        }
        answers.ended(series(0), &AnswerState::Failed, 1, &Measured::new());
        let mut text = String::new();
        answers.write(&mut text);
        let count = |labels: &str| format!("gen_ai_client_operation_duration_seconds_count{{{labels}}}");
        let other = count(&format!("{},outcome=\"completed\"", Series::other().labels()));
        assert!(text.contains(&format!("{other} 10\n")), "{text}");
        let first = count(&format!("{},outcome=\"failed\"", series(0).labels()));
        assert!(text.contains(&format!("{first} 1\n")));
    }
}
