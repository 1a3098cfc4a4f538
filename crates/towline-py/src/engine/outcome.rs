//! What a job received and how it ended, for Python. Rarely read parts are converted when they are read.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyAny;
use serde_json::Value;
use towline::{Ending, Event, Outcome};

use crate::failure::clock;

/// Python's own value for `value`.
fn python(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    Ok(py.import("json")?.call_method1("loads", (value.to_string(),))?.unbind())
}

fn converted(py: Python<'_>, value: &impl serde::Serialize) -> PyResult<Py<PyAny>> {
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    python(py, &value)
}

/// One event of a job.
///
/// ::
///
///    for event in job:
///        print(event.kind, event.text)
#[pyclass(frozen, name = "Event", module = "towline")]
pub(crate) struct PyEvent {
    /// ``text``, ``thinking``, ``tool_call``, ``image``, ``logprobs``, ``progress`` or ``usage``.
    #[pyo3(get)]
    kind: &'static str,
    event: Event,
}

impl From<Event> for PyEvent {
    fn from(event: Event) -> Self {
        let kind = match event {
            Event::Text(_) => "text",
            Event::Thinking(_) => "thinking",
            Event::ToolCall(_) => "tool_call",
            Event::Image(_) => "image",
            Event::Logprobs(_) => "logprobs",
            Event::Progress(_) => "progress",
            Event::Usage(_) => "usage",
        };
        Self { kind, event }
    }
}

#[pymethods]
impl PyEvent {
    /// The text of ``text`` and ``thinking``, the status of ``progress``; else empty.
    #[getter]
    fn text(&self) -> &str {
        match &self.event {
            Event::Text(text) | Event::Thinking(text) => text,
            Event::Progress(progress) => &progress.status,
            Event::ToolCall(_) | Event::Image(_) | Event::Logprobs(_) | Event::Usage(_) => "",
        }
    }

    /// Everything else, as plain values; ``None`` for text.
    #[getter]
    fn data(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.event {
            Event::Text(_) | Event::Thinking(_) => Ok(py.None()),
            Event::ToolCall(call) => converted(py, call),
            Event::Image(image) => converted(py, &image.base64),
            Event::Logprobs(logprobs) => converted(py, logprobs),
            Event::Progress(progress) => converted(py, progress),
            Event::Usage(usage) => converted(py, usage),
        }
    }

    fn __str__(&self) -> &str {
        self.text()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let what = match self.text() {
            "" => self.data(py)?.bind(py).repr()?.to_string(),
            text => text.into_pyobject(py)?.repr()?.to_string(),
        };
        Ok(format!("Event({}: {what})", self.kind))
    }
}

/// Everything that a job received, complete or not.
///
/// ::
///
///    reply = job.result()
///    print(reply.text, reply.usage)
#[pyclass(frozen, module = "towline")]
pub(crate) struct Reply {
    outcome: Arc<Outcome>,
}

impl Reply {
    pub(crate) fn of(outcome: &Arc<Outcome>) -> Self {
        Self { outcome: Arc::clone(outcome) }
    }
}

#[pymethods]
impl Reply {
    /// The answer.
    #[getter]
    fn text(&self) -> &str {
        &self.outcome.reply.text
    }

    /// The model's reasoning.
    #[getter]
    fn thinking(&self) -> &str {
        &self.outcome.reply.thinking
    }

    /// The model's name, as the server sent it.
    #[getter]
    fn model(&self) -> Option<&str> {
        self.outcome.reply.model.as_deref()
    }

    /// The calls that the model asked for, each with ``id``, ``name`` and ``arguments``.
    #[getter]
    fn tool_calls(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        converted(py, &self.outcome.reply.tool_calls)
    }

    /// Generated images, in base64.
    #[getter]
    fn images(&self) -> Vec<&str> {
        self.outcome.reply.images.iter().map(|image| image.base64.as_str()).collect()
    }

    /// Log probabilities of the answer's tokens.
    #[getter]
    fn logprobs(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        converted(py, &self.outcome.reply.logprobs)
    }

    /// The last progress of a pull.
    #[getter]
    fn progress(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        converted(py, &self.outcome.reply.progress)
    }

    /// Token counts, and times in nanoseconds.
    #[getter]
    fn usage(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        converted(py, &self.outcome.reply.usage)
    }

    fn __str__(&self) -> &str {
        self.text()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.text().into_pyobject(py)?.repr()?.to_string();
        let model = self.model().unwrap_or("?");
        Ok(format!("Reply({model}: {text})"))
    }
}

/// How a job ended, with everything that it received.
///
/// ::
///
///    if job.done:
///        print(job.outcome.ending, job.outcome.reply.text)
#[pyclass(frozen, name = "Outcome", module = "towline")]
pub(crate) struct PyOutcome {
    outcome: Arc<Outcome>,
    error: Option<towline::Error>,
}

impl From<Arc<Outcome>> for PyOutcome {
    fn from(outcome: Arc<Outcome>) -> Self {
        let error = outcome.ending.error();
        Self { outcome, error }
    }
}

#[pymethods]
impl PyOutcome {
    /// ``completed``, ``truncated``, ``cancelled``, ``timed_out`` or ``failed``.
    #[getter]
    fn ending(&self) -> &'static str {
        self.outcome.ending.as_str()
    }

    /// Whether the answer, or the result of a task, is complete.
    #[getter]
    fn is_completed(&self) -> bool {
        self.outcome.is_completed()
    }

    /// What went wrong, for people; ``None`` if nothing did.
    #[getter]
    fn message(&self) -> Option<&str> {
        self.error.as_ref().map(|error| error.message.as_str())
    }

    /// What kind of failure it was, to branch on.
    #[getter]
    fn kind(&self) -> Option<&'static str> {
        self.error.as_ref().map(|error| error.kind.as_str())
    }

    /// Who caused the failure: ``caller``, ``server``, ``transport`` or ``protocol``.
    #[getter]
    fn fault(&self) -> Option<&'static str> {
        self.error.as_ref().map(|error| error.fault.as_str())
    }

    /// The HTTP status of a failure, if there was one.
    #[getter]
    fn status(&self) -> Option<u16> {
        self.error.as_ref().and_then(|error| error.status)
    }

    /// Which time limit was reached: ``connect``, ``first_event``, ``idle``, ``record`` or ``total``.
    #[getter]
    fn clock(&self) -> Option<&'static str> {
        clock(&self.outcome)
    }

    /// Whether the server, or the task, may have done something.
    #[getter]
    fn may_have_had_effect(&self) -> bool {
        self.outcome.ending.may_have_had_effect()
    }

    /// Why the model stopped, as the server said.
    #[getter]
    fn finish_reason(&self) -> Option<&str> {
        match &self.outcome.ending {
            Ending::Completed(reason) => reason.as_ref().map(|reason| reason.as_str()),
            Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } | Ending::Failed(_) => {
                None
            }
        }
    }

    /// Everything that was received, however the job ended.
    #[getter]
    fn reply(&self) -> Reply {
        Reply::of(&self.outcome)
    }

    /// Records received.
    #[getter]
    fn records(&self) -> u64 {
        self.outcome.stats.records
    }

    /// The number of frames that are not records of the protocol, and the first three of them, each up to 4 KiB.
    #[getter]
    fn not_understood(&self) -> (u64, Vec<String>) {
        let frames = &self.outcome.not_understood;
        (frames.count, frames.first.clone())
    }

    /// Seconds from the start to the first record.
    #[getter]
    fn first_event(&self) -> Option<f64> {
        self.outcome.stats.first_event.map(|time| time.as_secs_f64())
    }

    /// Seconds from the start to the end.
    #[getter]
    fn total(&self) -> f64 {
        self.outcome.stats.total.as_secs_f64()
    }

    fn __str__(&self) -> String {
        self.outcome.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Outcome({}: {})", self.outcome.ending.as_str(), self.outcome)
    }
}
