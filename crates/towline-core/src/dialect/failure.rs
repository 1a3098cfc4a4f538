//! Failures that servers report inside a stream, in every form that servers use.

use super::{Relayed, Verdict, relayed};
use crate::error::{Error, ErrorKind, Fault, message_in_error};
use crate::json::Json;
use crate::quote::quote;

/// The failure that a record reports, whatever its other fields.
pub(super) fn reported(record: &Json<'_>) -> Option<Verdict> {
    if let Some(error) = record.get("error").filter(|error| !error.is_null()) {
        return Some(of_error(error, record));
    }
    // vLLM: {"object":"error","message":…}; OpenAI's responses: {"type":"error","message":…}.
    let names_itself = ["object", "type"].iter().any(|key| is(record, key, "error"));
    // FastChat: an error code next to its explanation.
    let has_code = record.get("error_code").is_some_and(|code| match code {
        Json::Integer(code) => *code != 0,
        Json::Number(_) => true,
        Json::String(word) => !word.is_empty(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => false,
    });
    if names_itself || has_code {
        return Some(of_error(record, record));
    }
    // OpenRouter: the error of a choice.
    let choice = record.get("choices").and_then(|choices| choices.as_array()?.first())?;
    choice.get("error").filter(|error| !error.is_null()).map(|error| of_error(error, record))
}

/// The failure that a record without any other meaning reports: the body of an error response, sent with
/// status 200.
pub(super) fn bare(record: &Json<'_>) -> Option<Verdict> {
    let errors = record.get("errors").and_then(Json::as_array).and_then(|errors| errors.first());
    if let Some(error) = errors.or_else(|| record.get("detail")).filter(|error| !error.is_null()) {
        return Some(of_error(error, record));
    }
    let is_failure = status(record, record).is_some()
        || is(record, "status", "error")
        || is(record, "status", "failed")
        || record.get("success").and_then(Json::as_bool) == Some(false)
        || ["type", "code", "__type"].iter().any(|key| {
            let word = record.get(key).and_then(Json::as_str).unwrap_or_default().to_ascii_lowercase();
            word.contains("error") || word.contains("exception")
        });
    let says_why = ["message", "msg"].iter().any(|key| record.get(key).and_then(Json::as_str).is_some());
    (is_failure && says_why).then(|| of_error(record, record))
}

/// The failure that the data of an error event reports.
pub(super) fn of_event(data: &Json<'_>) -> Verdict {
    reported(data).unwrap_or_else(|| of_error(data, data))
}

/// The failure that an error event reports in text that is not JSON.
pub(super) fn of_words(words: &[u8]) -> Error {
    failure(quote(words))
}

/// `error` is the value that describes the failure, in `record`; both may be the same.
fn of_error(error: &Json<'_>, record: &Json<'_>) -> Verdict {
    let mut failure = failure(message_in_error(error, record));
    failure.status = status(error, record);
    let Some(ended) = Relayed::of(error, record) else { return Verdict::Failed(failure) };
    match ended {
        Relayed::Failed => relayed::classify(&mut failure, record, error),
        Relayed::Truncated => relayed::truncated(&mut failure),
        Relayed::Cancelled | Relayed::TimedOut => {
            if let Some(cause) = relayed::cause(record) {
                failure.message = cause;
            }
        }
    }
    Verdict::Relayed(ended, failure)
}

fn failure(mut message: String) -> Error {
    if message.is_empty() {
        "the server reported an error without a message".clone_into(&mut message);
    }
    Error::new(ErrorKind::Server, Fault::Server, message).with_effect(true)
}

/// An HTTP status in an error or next to it, under any of its names.
fn status(error: &Json<'_>, record: &Json<'_>) -> Option<u16> {
    const BESIDE: [&str; 5] = ["StatusCode", "status_code", "statusCode", "status", "code"];
    let beside = BESIDE.iter().filter_map(|key| record.get(key));
    let inside = ["code", "status", "status_code", "http_code"].iter().filter_map(|key| error.get(key));
    inside.chain(beside).filter_map(number).find(|status| (400..600).contains(status))
}

fn number(value: &Json<'_>) -> Option<u16> {
    match value {
        Json::Integer(status) => u16::try_from(*status).ok(),
        Json::String(digits) => digits.parse().ok(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn is(record: &Json<'_>, key: &str, word: &str) -> bool {
    record.get(key).and_then(Json::as_str) == Some(word)
}
