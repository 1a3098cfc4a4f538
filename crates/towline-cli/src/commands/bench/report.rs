//! The report of a measurement, for people and for programs.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::load::{Load, Result};
use towline_app::text::units;

use crate::output::stats;

/// Maximum width of a bar, in characters.
const BAR: f64 = 40.0;

/// The subject of the measurement.
#[derive(Debug)]
pub struct Subject {
    /// Where the server is.
    pub server: String,
    /// The model.
    pub model: String,
    /// Whether the server runs in this process, so that its costs are not the client's.
    pub in_process: bool,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// A measurement with its subject.
#[derive(Debug)]
pub struct Report<'a> {
    /// The subject of the measurement.
    pub subject: &'a Subject,
    /// The load.
    pub load: &'a Load,
    /// Its result.
    pub result: &'a Result,
}

impl Report<'_> {
    /// As one object.
    pub fn json(&self) -> Value {
        let Self { subject, load, result } = self;
        let tally = &result.tally;
        let errors: Vec<Value> = tally
            .errors
            .iter()
            .map(|((kind, message), count)| json!({ "kind": kind, "message": message, "count": count }))
            .collect();
        json!({
            "server": subject.server,
            "model": subject.model,
            "interrupted": subject.interrupted,
            "streams": load.streams,
            "requests": load.requests,
            "ended": tally.done,
            "elapsed_ms": rounded(result.elapsed.as_secs_f64() * 1e3),
            "first_token_ms": quantiles(&tally.first_token),
            "gap_ms": quantiles(&tally.gap),
            "tokens": tally.tokens,
            "records": tally.records,
            "tokens_per_s": {
                "total": rounded(self.total_rate()),
                "stream_p50": rate(&tally.rate, |all| all.value_at_quantile(0.5)),
                "stream_min": rate(&tally.rate, Histogram::min),
                "stream_max": rate(&tally.rate, Histogram::max),
            },
            "outcomes": tally.endings,
            "errors": errors,
            "client": {
                "cpu_us_per_record": self.cpu_per_record().map(rounded),
                "memory_bytes_per_stream": self.memory_per_stream(),
            },
        })
    }

    /// As lines of text.
    pub fn lines(&self) -> Vec<String> {
        let Self { subject, load, result } = self;
        let tally = &result.tally;
        let ended = if subject.interrupted { ", ended early" } else { "" };
        let mut lines = vec![
            format!("server        {}, model {}", subject.server, subject.model),
            format!(
                "load          {} at once, {} of {} requests in {}{ended}",
                load.streams,
                tally.done,
                load.requests,
                stats::seconds(result.elapsed)
            ),
            format!("outcomes      {}", self.endings()),
        ];
        lines.extend(
            tally
                .errors
                .iter()
                .map(|((kind, message), count)| format!("              {count} × {kind}: {message}")),
        );
        if !tally.first_token.is_empty() {
            lines.push(String::new());
            lines.push(row("", ["p50", "p95", "p99", "max"].map(str::to_owned)));
            lines.push(row("first token", times(&tally.first_token)));
            if !tally.gap.is_empty() {
                lines.push(row("next token", times(&tally.gap)));
            }
            lines.push(String::new());
            lines.push(self.rates());
        }
        lines.push(self.costs());
        for (title, histogram) in [("first token", &tally.first_token), ("next token", &tally.gap)] {
            if histogram.len() > 1 {
                lines.push(String::new());
                lines.extend(bars(title, histogram));
            }
        }
        lines
    }

    fn endings(&self) -> String {
        let some = self.result.tally.endings.iter().filter(|(_, count)| **count > 0);
        let text = some
            .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
            .collect::<Vec<_>>()
            .join(", ");
        if text.is_empty() { "none".to_owned() } else { text }
    }

    fn rates(&self) -> String {
        let all = &self.result.tally.rate;
        let mut text = format!("tokens/s      {:.1} in all", self.total_rate());
        if !all.is_empty() {
            let one = |thousandths: u64| thousandths as f64 / 1000.0;
            text.push_str(&format!(
                "; a stream {:.1} (slowest {:.1}, fastest {:.1})",
                one(all.value_at_quantile(0.5)),
                one(all.min()),
                one(all.max())
            ));
        }
        text
    }

    fn costs(&self) -> String {
        if self.subject.in_process {
            return "this program  not measured: the model runs in it".to_owned();
        }
        let cpu = self.cpu_per_record().map(|micros| format!("{micros:.1} µs of processor time a record"));
        let memory =
            self.memory_per_stream().map(|bytes| format!("{} of memory a stream", units::bytes(bytes)));
        let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
        format!("this program  {}", if parts.is_empty() { "unknown".to_owned() } else { parts.join(", ") })
    }

    fn total_rate(&self) -> f64 {
        self.result.tally.tokens as f64 / self.result.elapsed.as_secs_f64().max(1e-9)
    }

    /// In microseconds.
    fn cpu_per_record(&self) -> Option<f64> {
        let records = self.result.tally.records;
        let cpu = self.result.cpu.filter(|_| !self.subject.in_process && records > 0)?;
        Some(cpu.as_secs_f64() * 1e6 / records as f64)
    }

    fn memory_per_stream(&self) -> Option<u64> {
        let bytes = self.result.memory_bytes.filter(|_| !self.subject.in_process)?;
        Some(bytes / self.load.streams.min(self.load.requests) as u64)
    }
}

fn row(name: &str, cells: [String; 4]) -> String {
    let cells = cells.map(|cell| format!("{cell:>12}")).concat();
    format!("{name:<12}{cells}")
}

fn times(histogram: &Histogram<u64>) -> [String; 4] {
    let quantile = |q| time(histogram.value_at_quantile(q));
    [quantile(0.5), quantile(0.95), quantile(0.99), time(histogram.max())]
}

/// A time given in microseconds.
fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A histogram with steps of 1, 2 and 5.
fn bars(title: &str, histogram: &Histogram<u64>) -> Vec<String> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let (mut low, mut nth) = (0, 0);
    while low <= histogram.max() {
        let high = [1, 2, 5][nth % 3] * 10_u64.pow((nth / 3) as u32);
        let count = histogram.count_between(low, high - 1);
        if count > 0 || !steps.is_empty() {
            steps.push((high, count));
        }
        (low, nth) = (high, nth + 1);
    }
    let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(1) as f64;
    let mut lines = vec![title.to_owned()];
    for empty_or_not in steps.chunk_by(|(_, a), (_, b)| (*a == 0) == (*b == 0)) {
        if empty_or_not.iter().all(|(_, count)| *count == 0) {
            // A gap is shown as one line, however wide it is; the last step is never empty.
            lines.push("         …".to_owned());
            continue;
        }
        lines.extend(empty_or_not.iter().map(|(high, count)| {
            let width = (*count as f64 / most * BAR).ceil() as usize;
            format!("  < {:>8} {count:>8}  {}", step(*high), "█".repeat(width))
        }));
    }
    lines
}

/// The upper end of a step, without decimals.
fn step(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let ms = |micros: u64| micros as f64 / 1e3;
    json!({
        "count": histogram.len(),
        "mean": rounded(histogram.mean() / 1e3),
        "p50": ms(histogram.value_at_quantile(0.5)),
        "p95": ms(histogram.value_at_quantile(0.95)),
        "p99": ms(histogram.value_at_quantile(0.99)),
        "max": ms(histogram.max()),
    })
}

fn rate(histogram: &Histogram<u64>, of: impl Fn(&Histogram<u64>) -> u64) -> Option<f64> {
    (!histogram.is_empty()).then(|| of(histogram) as f64 / 1000.0)
}

/// To three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
