//! `keep_alive`: a number of seconds, or a duration in Go's notation; below zero for ever.

use std::time::Duration;

use serde_json::Value;

use crate::config::KeepAlive;

/// # Errors
/// What is wrong with it, in words.
pub(crate) fn parse(value: &Value) -> Result<KeepAlive, String> {
    match value {
        Value::Number(number) => seconds(number.as_f64().unwrap_or(-1.0)),
        Value::String(text) => duration(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("keep_alive {value} is neither a number of seconds nor a duration"))
        }
    }
}

fn seconds(seconds: f64) -> Result<KeepAlive, String> {
    if seconds < 0.0 {
        return Ok(KeepAlive::Forever);
    }
    Ok(Duration::try_from_secs_f64(seconds).map_or(KeepAlive::Forever, KeepAlive::For))
}

/// Go's `time.ParseDuration`: `1h30m`, `2.5s`, `-1m`, `0`.
fn duration(text: &str) -> Result<KeepAlive, String> {
    let invalid = || format!("invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            "" if number == 0.0 && after.is_empty() => 1.0,
            _ => return Err(format!("missing or unknown unit in duration {text:?}")),
        };
        total += number * scale;
        rest = after;
    }
    seconds(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Option<KeepAlive>) {
        assert_eq!(parse(&serde_json::from_str(json).unwrap()).ok(), expected, "{json}");
    }

    #[test]
    fn numbers_and_go_durations_are_read() {
        let time = |seconds| Some(KeepAlive::For(Duration::from_secs_f64(seconds)));
        check("0", time(0.0));
        check("300", time(300.0));
        check("0.5", time(0.5));
        check("-1", Some(KeepAlive::Forever));
        check("\"5m\"", time(300.0));
        check("\"1h30m\"", time(5400.0));
        check("\"1.5s\"", time(1.5));
        check("\"100ms\"", time(0.1));
        check("\"0\"", time(0.0));
        check("\"-1m\"", Some(KeepAlive::Forever));
        check("\"\"", None);
        check("\"-\"", None);
        check("\"5\"", None);
        check("\"5 minutes\"", None);
        check("\"s\"", None);
        check("true", None);
        check("1e300", Some(KeepAlive::Forever));
    }
}
