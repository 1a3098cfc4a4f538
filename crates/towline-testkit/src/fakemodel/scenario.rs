//! How a stream goes, as chosen by a model's name.

use std::{str::FromStr, time::Duration};

/// How a stream goes. The name of each is its model's name; what follows a colon is its argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Scenario {
    /// `normal`: twelve records, then a true end.
    Normal,
    /// `words:N`: that many records at once, then a true end.
    Words(usize),
    /// `slow:RATE` or `slow:RATE:N`: records at a rate, 100 of them unless told.
    Slow { per_second: f64, records: usize },
    /// `waits:SECONDS`: silent before the response head, then as `normal`.
    Waits(Duration),
    /// `echo`: the last message (or prompt) back, a word a record.
    Echo,
    /// `thinking`: some thinking, then text.
    Thinking,
    /// `tools`: text, then two tool calls.
    Tools,
    /// `unicode`: text of many scripts, cut between the parts of one visible character.
    Unicode,
    /// `length`: ends because of its length.
    Length,
    /// `stall-after:N`: silent after that many records, until the peer closes.
    StallAfter(usize),
    /// `truncate-after:N`: a clean end of the body without a terminal record.
    TruncateAfter(usize),
    /// `close-after:N`: the connection closes inside the body.
    CloseAfter(usize),
    /// `reset-after:N`: the connection is reset inside the body.
    ResetAfter(usize),
    /// `error-after:N`: an error record, under the status 200 sent before.
    ErrorAfter(usize),
    /// `error-status:STATUS`: an error instead of a stream.
    ErrorStatus(u16),
    /// `half-line`: three records and half of a fourth, then a clean end of the body.
    HalfLine,
    /// `never-answers`: not even a response head.
    NeverAnswers,
    /// `hang-after-done`: the terminal record, but no end of the body.
    HangAfterDone,
    /// `flood:SIZE`: records as fast as the socket takes them, then a true end. `400MB`, `64KB`, `1000`.
    Flood { bytes: u64 },
    /// `long-line:SIZE`: one record of that size, then a true end.
    LongLine { bytes: u64 },
    /// `html`: a page under status 200.
    Html,
    /// `empty`: status 200 and an empty body.
    Empty,
}

impl Scenario {
    /// A name of every scenario, as `/api/tags` lists them.
    pub const EXAMPLES: [&str; 22] = [
        "normal",
        "words:1000",
        "slow:30",
        "waits:2",
        "echo",
        "thinking",
        "tools",
        "unicode",
        "length",
        "stall-after:5",
        "truncate-after:5",
        "close-after:5",
        "reset-after:5",
        "error-after:5",
        "error-status:503",
        "half-line",
        "never-answers",
        "hang-after-done",
        "flood:400MB",
        "long-line:32MB",
        "html",
        "empty",
    ];
}

/// A model name that is no scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownScenario;

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Scenario, UnknownScenario> {
        let mut parts = name.split(':');
        let kind = parts.next().unwrap_or_default();
        let scenario = match kind {
            "normal" => Scenario::Normal,
            "words" => Scenario::Words(number(parts.next())?),
            "slow" => Scenario::Slow {
                per_second: positive(number(parts.next())?)?,
                records: parts.next().map_or(Ok(100), |records| number(Some(records)))?,
            },
            "waits" => {
                let seconds = number(parts.next())?;
                Scenario::Waits(Duration::try_from_secs_f64(seconds).map_err(|_| UnknownScenario)?)
            }
            "echo" => Scenario::Echo,
            "thinking" => Scenario::Thinking,
            "tools" => Scenario::Tools,
            "unicode" => Scenario::Unicode,
            "length" => Scenario::Length,
            "stall-after" => Scenario::StallAfter(number(parts.next())?),
            "truncate-after" => Scenario::TruncateAfter(number(parts.next())?),
            "close-after" => Scenario::CloseAfter(number(parts.next())?),
            "reset-after" => Scenario::ResetAfter(number(parts.next())?),
            "error-after" => Scenario::ErrorAfter(number(parts.next())?),
            "error-status" => Scenario::ErrorStatus(number(parts.next())?),
            "half-line" => Scenario::HalfLine,
            "never-answers" => Scenario::NeverAnswers,
            "hang-after-done" => Scenario::HangAfterDone,
            "flood" => Scenario::Flood { bytes: size(parts.next())? },
            "long-line" => Scenario::LongLine { bytes: size(parts.next())? },
            "html" => Scenario::Html,
            "empty" => Scenario::Empty,
            _ => return Err(UnknownScenario),
        };
        if parts.next().is_some() { Err(UnknownScenario) } else { Ok(scenario) }
    }
}

fn number<N: FromStr>(text: Option<&str>) -> Result<N, UnknownScenario> {
    text.and_then(|text| text.parse().ok()).ok_or(UnknownScenario)
}

fn positive(rate: f64) -> Result<f64, UnknownScenario> {
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err(UnknownScenario) }
}

/// A size in bytes, with a decimal unit if it likes.
fn size(text: Option<&str>) -> Result<u64, UnknownScenario> {
    let text = text.ok_or(UnknownScenario)?;
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(UnknownScenario),
    };
    number::<u64>(Some(digits))?.checked_mul(unit).ok_or(UnknownScenario)
}
