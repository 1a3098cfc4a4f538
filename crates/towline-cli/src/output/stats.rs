//! `--stats`: what an answer cost, on standard error.

use std::time::Duration;

use towline::Outcome;
use towline::event::Usage;
use towline_app::text::safe;

use crate::output;

/// Prints tokens, speeds and times.
pub fn print(outcome: &Outcome) {
    for line in lines(outcome) {
        output::stderr_line(&line);
    }
}

/// The lines of [`print`], as one text.
pub fn summary(outcome: &Outcome) -> String {
    lines(outcome).join("\n")
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let stats = &outcome.stats;
    let usage = outcome.reply.usage.clone().unwrap_or_default();
    let mut lines = Vec::new();
    let mut say = |name: &str, value: String| lines.push(format!("{name:<13}{value}"));
    if let Some(tokens) = usage.prompt_tokens {
        let mut text = format!("{tokens} tokens");
        if let Some(cached) = usage.cached_prompt_tokens {
            text.push_str(&format!(" ({cached} cached)"));
        }
        say("prompt", text + &speed(Some(tokens), usage.prompt));
    }
    match usage.completion_tokens {
        Some(tokens) => {
            // If the server does not report its generation time, the time since the first record is close to
            // it.
            let since_first = stats.first_event.map(|first| stats.total.saturating_sub(first));
            let (time, from) = match (usage.completion, since_first) {
                (Some(time), _) => (Some(time), 0),
                (None, time) => (time, 1),
            };
            say("answer", format!("{tokens} tokens{}", speed(Some(tokens.saturating_sub(from)), time)));
        }
        None => {
            let s = if stats.records == 1 { "" } else { "s" };
            say("answer", format!("{} record{s}; the server counted no tokens", stats.records));
        }
    }
    say("first token", stats.first_event.map_or("none".to_owned(), seconds));
    if let Some(load) = usage.load {
        say("load", seconds(load));
    }
    say("total", total(stats.total, &usage));
    if outcome.not_understood.count > 0 {
        let count = outcome.not_understood.count;
        say("unknown", format!("{count} of the server's records were not understood"));
        for frame in &outcome.not_understood.first {
            lines.push(format!("  {}", safe::line(frame)));
        }
    }
    lines
}

fn total(total: Duration, usage: &Usage) -> String {
    match usage.total {
        Some(server) => format!("{} ({} by the server's clock)", seconds(total), seconds(server)),
        None => seconds(total),
    }
}

fn speed(tokens: Option<u64>, time: Option<Duration>) -> String {
    match (tokens, time.map(|time| time.as_secs_f64())) {
        (Some(tokens), Some(time)) if tokens > 0 && time > 0.0 => {
            format!(", {:.1} tok/s", tokens as f64 / time)
        }
        _ => String::new(),
    }
}

/// A time with three significant digits.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.3} s", seconds)
    } else if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.0} s")
    }
}
