//! From records to the objects that Python code expects: instances of its own pydantic models.
//!
//! Most records of a stream differ from the one before only in their text and timestamp. The model validates the first of
//! such a row; the others are copies of it with another text and timestamp, made without parsing. A copy that its reader
//! has dropped is reused (`reuse`).

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use towline::client::Operation;
use towline::event::{Record, RecordKind};

use crate::instance::{instance, set_slot};
use crate::reuse::{Instance, Recent, ReusableRecord};
use crate::texts::Texts;
use crate::timestamp::Timestamp;

/// Makes instances of one model from the records of one stream.
#[derive(Debug)]
pub(crate) struct Shaper {
    model: Py<PyType>,
    operation: Operation,
    pattern: Option<Pattern>,
    texts: Texts,
    /// Called with each object.
    on_record: Option<Py<PyAny>>,
}

/// A record from which similar later records are copied.
#[derive(Debug)]
struct Pattern {
    fields: Py<PyDict>,
    /// The keys for which the model has no field.
    extra: Option<Py<PyDict>>,
    /// The timestamp of the last record; `fields` has that of the first one of the row.
    timestamp: Option<Timestamp>,
    message: Option<Message>,
    /// Whether the record or its message has extra keys. Each copy has its own dictionary of them, which could be changed
    /// unnoticed, so copies are not reused.
    has_extra: bool,
    recent: Recent,
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
        Self { model, operation, pattern: None, texts: Texts::default(), on_record }
    }

    /// Ends the stream: there are no more records.
    pub(crate) fn finish(&mut self) {
        (self.pattern, self.texts) = (None, Texts::default());
    }

    /// The text of a record, without an object.
    #[inline]
    pub(crate) fn text<'py>(&mut self, py: Python<'py>, record: Record<'_>) -> Bound<'py, PyString> {
        self.texts.string(py, record.text)
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
        if let Some(pattern) = &mut self.pattern
            && pattern.fits(py, record)
        {
            return pattern.copy(self.model.bind(py), name, self.texts.string(py, record.text));
        }
        self.validate(py, record)
    }

    fn validate<'py>(&self, py: Python<'py>, record: Record<'_>) -> PyResult<Bound<'py, PyAny>> {
        let json = PyBytes::new(py, record.json);
        self.model.bind(py).call_method1(intern!(py, "model_validate_json"), (json,))
    }
}

impl Pattern {
    /// `None` if copies of `object` would differ from the model's result for such a record.
    fn of(object: &Bound<'_, PyAny>, record: Record<'_>, operation: Operation) -> PyResult<Option<Self>> {
        let py = object.py();
        let Some((fields, extra)) = parts(object)? else { return Ok(None) };
        let created_at = fields.get_item(intern!(py, "created_at"))?.filter(|value| !value.is_none());
        let timestamp = match created_at {
            None => None,
            Some(value) => match Timestamp::find(py, record.json) {
                Some(found) if value.eq(&found.text)? => Some(found),
                Some(_) | None => return Ok(None),
            },
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
        let has_extra = extra.is_some() || message.as_ref().is_some_and(|message| message.extra.is_some());
        Ok(Some(Self { fields, extra, timestamp, message, has_extra, recent: Recent::default() }))
    }

    /// Whether `record` differs from this one only in its text and its timestamp; takes the timestamp.
    #[inline]
    fn fits(&mut self, py: Python<'_>, record: Record<'_>) -> bool {
        self.timestamp.as_mut().is_none_or(|timestamp| timestamp.follow(py, record.json).is_some())
    }

    /// A copy with another text, in the field `name`, and the last timestamp.
    #[inline]
    fn copy<'py>(
        &mut self,
        model: &Bound<'py, PyType>,
        name: &Bound<'py, PyString>,
        text: Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = model.py();
        let mut copy = match self.recent.take_older(py) {
            Some(free) => free,
            None => self.make(model)?,
        };
        if let Some(timestamp) = &self.timestamp
            && timestamp.number != copy.timestamp
        {
            copy.record.fields.bind(py).set_item(intern!(py, "created_at"), &timestamp.text)?;
            copy.timestamp = timestamp.number;
        }
        copy.message.as_ref().unwrap_or(&copy.record).fields.bind(py).set_item(name, text)?;
        let object = copy.record.object.bind(py).clone();
        if !self.has_extra {
            self.recent.replace_older(copy);
        }
        Ok(object)
    }

    fn make(&self, model: &Bound<'_, PyType>) -> PyResult<ReusableRecord> {
        let py = model.py();
        let fields = self.fields.bind(py).copy()?;
        let message = match &self.message {
            Some(message) => {
                let parts = message.fields.bind(py).copy()?;
                let message = build_instance(message.model.bind(py), parts, message.extra.as_ref())?;
                fields.set_item(intern!(py, "message"), &message.object)?;
                Some(message)
            }
            None => None,
        };
        Ok(ReusableRecord {
            record: build_instance(model, fields, self.extra.as_ref())?,
            message,
            timestamp: 0,
        })
    }
}

type Parts<'py> = (Bound<'py, PyDict>, Option<Bound<'py, PyDict>>);

/// The values of a model's fields, and the keys without a field. `None` unless instances of the model can be made from
/// these (`towline._model.Answer`).
fn parts<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Parts<'py>>> {
    let py = object.py();
    let Some(fields) = object.getattr_opt(intern!(py, "_towline_fields"))? else { return Ok(None) };
    let fields = fields.cast_into::<PyDict>()?.copy()?;
    let extra = object.getattr(intern!(py, "__pydantic_extra__"))?;
    let extra = match extra.cast_into::<PyDict>() {
        Ok(extra) if !extra.is_empty() => Some(extra.copy()?),
        Ok(_) | Err(_) => None,
    };
    Ok(Some((fields, extra)))
}

/// An instance of `model` with these fields, without validation.
#[inline]
fn build_instance(
    model: &Bound<'_, PyType>,
    fields: Bound<'_, PyDict>,
    extra: Option<&Py<PyDict>>,
) -> PyResult<Instance> {
    let made = instance(model, &fields)?;
    if let Some(extra) = extra {
        let py = model.py();
        set_slot(&made, intern!(py, "__pydantic_extra__"), extra.bind(py).copy()?.as_any())?;
    }
    Ok(Instance { object: made.unbind(), fields: fields.unbind() })
}
