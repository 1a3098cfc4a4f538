//! The Python exceptions for failures. The classes are defined in Python (`towline._errors`); this module
//! provides the facts.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use towline::error::{ErrorKind, Fault};
use towline::outcome::Reply;
use towline::{Ending, Error, Outcome};

/// The exception for unusable input of the caller.
pub(crate) fn bad_input(message: String) -> PyErr {
    Python::attach(|py| of_error(py, &Error::new(ErrorKind::InvalidRequest, Fault::Caller, message), false))
}

/// The exception for an error without an answer. `relayed`: the answer was expected from a relay.
pub(crate) fn of_error(py: Python<'_>, error: &Error, relayed: bool) -> PyErr {
    raise(py, error, None, relayed)
}

/// The exception for a stream that did not complete, with what was received.
pub(crate) fn of_outcome(py: Python<'_>, outcome: &Outcome, relayed: bool) -> Option<PyErr> {
    let error = outcome.ending.error()?;
    Some(raise(py, &error, Some(outcome), relayed))
}

/// The exception for a call on a closed client.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    match py.import("towline._errors").and_then(|errors| errors.getattr("ClosedError")?.call0()) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}

/// The exception for a record that its model rejected with `error`, with the text received before.
pub(crate) fn odd_record(py: Python<'_>, error: PyErr, reply: Option<&Reply>) -> PyErr {
    let (text, thinking) = reply.map_or(("", ""), |reply| (&reply.text, &reply.thinking));
    let made = py
        .import("towline._errors")
        .and_then(|errors| errors.call_method1("odd_record", (error, text, thinking)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The timeout that expired, if that ended the stream.
pub(crate) fn clock(outcome: &Outcome) -> Option<&'static str> {
    match &outcome.ending {
        Ending::TimedOut { clock, .. } => Some(clock.as_str()),
        Ending::Completed(_) | Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::Failed(_) => None,
    }
}

/// Warns that a server does not mark the end of its answers.
pub(crate) fn warn_of_unmarked_end(py: Python<'_>) -> PyResult<()> {
    py.import("towline._errors")?.call_method0("warn_of_unmarked_end").map(drop)
}

fn raise(py: Python<'_>, error: &Error, outcome: Option<&Outcome>, relayed: bool) -> PyErr {
    match exception(py, error, outcome, relayed) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}

fn exception<'py>(
    py: Python<'py>,
    error: &Error,
    outcome: Option<&Outcome>,
    relayed: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let facts = PyDict::new(py);
    facts.set_item("kind", error.kind.as_str())?;
    facts.set_item("fault", error.fault.as_str())?;
    facts.set_item("message", &error.message)?;
    facts.set_item("reason", &error.message)?;
    facts.set_item("relayed", relayed)?;
    facts.set_item("words", error.words())?;
    facts.set_item("status", error.status)?;
    facts.set_item("may_have_had_effect", error.may_have_had_effect)?;
    facts.set_item("retry_after", error.retry_after.map(|wait| wait.as_secs_f64()))?;
    if let Some(outcome) = outcome {
        facts.set_item("clock", clock(outcome))?;
        facts.set_item("text", &outcome.reply.text)?;
        facts.set_item("thinking", &outcome.reply.thinking)?;
    }
    py.import("towline._errors")?.call_method1("of_facts", (facts,))
}
