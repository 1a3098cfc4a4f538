//! From records to the objects that Python code expects: instances of its own pydantic models.
//!
//! Most records of a stream differ from the one before in their text and timestamp only. The first of such a row is
//! validated by the model; those after it are copies of it with another text and timestamp, made without parsing.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use towline::client::Operation;
use towline::event::{Record, RecordKind};

use crate::instance::{instance, set_slot};

/// What stands before a timestamp in a record. Inside a string its quotes would be escaped.
const TIMESTAMP: &[u8] = b"\"created_at\":\"";

/// Makes objects of one model from the records of one stream.
#[derive(Debug)]
pub(crate) struct Shaper {
    model: Py<PyType>,
    operation: Operation,
    pattern: Option<Pattern>,
    /// Is given each object.
    on_record: Option<Py<PyAny>>,
}

/// A record that the ones after it are like.
#[derive(Debug)]
struct Pattern {
    fields: Py<PyDict>,
    /// What the model has no field for.
    extra: Option<Py<PyDict>>,
    /// Where the timestamp's inside begins in the record, and the one that `fields` has. Records that come together often
    /// have the same.
    timestamp: Option<(usize, String)>,
    message: Option<Message>,
}

/// The message inside a chat record.
#[derive(Debug)]
struct Message {
    model: Py<PyType>,
    fields: Py<PyDict>,
    extra: Option<Py<PyDict>>,
}

impl Shaper {
    pub(crate) fn new(model: Py<PyType>, operation: Operation, on_record: Option<Py<PyAny>>) -> Self {
        Self { model, operation, pattern: None, on_record }
    }

    /// The object for the next record, in order.
    #[inline]
    pub(crate) fn shape<'py>(&mut self, py: Python<'py>, record: Record<'_>) -> PyResult<Bound<'py, PyAny>> {
        let object = self.object(py, record)?;
        if let Some(hook) = &self.on_record {
            hook.call1(py, (&object,))?;
        }
        Ok(object)
    }

    #[inline]
    fn object<'py>(&mut self, py: Python<'py>, record: Record<'_>) -> PyResult<Bound<'py, PyAny>> {
        let name = match (record.kind, self.operation) {
            (RecordKind::Text, Operation::Chat) => intern!(py, "content"),
            (RecordKind::Text, _) => intern!(py, "response"),
            (RecordKind::Thinking, _) => intern!(py, "thinking"),
            (RecordKind::None, _) => return self.validate(py, record),
            (RecordKind::Pattern, _) => {
                let object = self.validate(py, record)?;
                self.pattern = Pattern::of(&object, record, self.operation)?;
                return Ok(object);
            }
        };
        match &mut self.pattern {
            Some(pattern) => match pattern.copy(py, &self.model, record, name)? {
                Some(object) => Ok(object),
                None => self.validate(py, record),
            },
            None => self.validate(py, record),
        }
    }

    fn validate<'py>(&self, py: Python<'py>, record: Record<'_>) -> PyResult<Bound<'py, PyAny>> {
        let json = PyBytes::new(py, record.json);
        self.model.bind(py).call_method1(intern!(py, "model_validate_json"), (json,))
    }
}

impl Pattern {
    /// `None` where copies of `object` would not be what the model makes of such a record.
    fn of(object: &Bound<'_, PyAny>, record: Record<'_>, operation: Operation) -> PyResult<Option<Self>> {
        let py = object.py();
        let Some((fields, extra)) = parts(object)? else { return Ok(None) };
        let created_at = fields.get_item(intern!(py, "created_at"))?.filter(|value| !value.is_none());
        let timestamp = match created_at {
            None => None,
            Some(value) => {
                let at = record.json.windows(TIMESTAMP.len()).position(|bytes| bytes == TIMESTAMP);
                let Some(at) = at.map(|at| at + TIMESTAMP.len()) else { return Ok(None) };
                let value: String = value.extract()?;
                if timestamp(record.json, at) != Some(value.as_str()) {
                    return Ok(None);
                }
                Some((at, value))
            }
        };
        let message = match operation {
            Operation::Chat => {
                let Some(message) = fields.get_item(intern!(py, "message"))? else { return Ok(None) };
                let Some((fields, extra)) = parts(&message)? else { return Ok(None) };
                let model = message.get_type().unbind();
                Some(Message { model, fields: fields.unbind(), extra: extra.map(Bound::unbind) })
            }
            Operation::Generate => None,
            Operation::Pull | Operation::Push | Operation::Create => return Ok(None),
        };
        let (fields, extra) = (fields.unbind(), extra.map(Bound::unbind));
        Ok(Some(Self { fields, extra, timestamp, message }))
    }

    #[inline]
    fn copy<'py>(
        &mut self,
        py: Python<'py>,
        model: &Py<PyType>,
        record: Record<'_>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some((at, last)) = &mut self.timestamp {
            let Some(timestamp) = timestamp(record.json, *at) else { return Ok(None) };
            if timestamp != last {
                timestamp.clone_into(last);
                self.fields.bind(py).set_item(intern!(py, "created_at"), timestamp)?;
            }
        }
        let fields = self.fields.bind(py).copy()?;
        match &self.message {
            Some(message) => {
                let parts = message.fields.bind(py).copy()?;
                parts.set_item(name, record.text)?;
                let object = made(message.model.bind(py), &parts, message.extra.as_ref())?;
                fields.set_item(intern!(py, "message"), object)?;
            }
            None => fields.set_item(name, record.text)?,
        }
        made(model.bind(py), &fields, self.extra.as_ref()).map(Some)
    }
}

/// The timestamp whose inside begins at `at`, if one stands there.
#[inline]
fn timestamp(json: &[u8], at: usize) -> Option<&str> {
    if json.get(at.checked_sub(TIMESTAMP.len())?..at)? != TIMESTAMP {
        return None;
    }
    let inside = &json[at..];
    std::str::from_utf8(&inside[..inside.iter().position(|byte| *byte == b'"')?]).ok()
}

type Parts<'py> = (Bound<'py, PyDict>, Option<Bound<'py, PyDict>>);

/// The values of a model's fields, and what it has no field for. `None` unless the model fills in the rest of an
/// instance when it is asked for (`towline._model.Model`).
fn parts<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Parts<'py>>> {
    let py = object.py();
    if !object.get_type().hasattr(intern!(py, "_towline_fills_in"))? {
        return Ok(None);
    }
    let fields = object.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?.copy()?;
    let extra = object.getattr(intern!(py, "__pydantic_extra__"))?;
    let extra = match extra.cast_into::<PyDict>() {
        Ok(extra) if !extra.is_empty() => Some(extra.copy()?),
        Ok(_) | Err(_) => None,
    };
    Ok(Some((fields, extra)))
}

/// An instance of `model` with these fields; the model is not asked.
#[inline]
fn made<'py>(
    model: &Bound<'py, PyType>,
    fields: &Bound<'py, PyDict>,
    extra: Option<&Py<PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let made = instance(model, fields)?;
    if let Some(extra) = extra {
        let py = model.py();
        set_slot(&made, intern!(py, "__pydantic_extra__"), extra.bind(py).copy()?.as_any())?;
    }
    Ok(made)
}
