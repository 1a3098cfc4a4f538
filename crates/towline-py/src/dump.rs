//! `model_dump()` of a record without pydantic's serializer, which checks each field's type again.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyString};

use crate::instance::slot;

/// The dictionary that the serializer would make of `record`, an instance of one of the classes `known`. None of these
/// classes changes how it is dumped. `None` if a value is neither plain nor, one level deep, such an instance; the
/// serializer is needed then.
#[pyfunction]
pub(crate) fn plain_dump<'py>(
    record: &Bound<'py, PyAny>,
    known: &Bound<'py, PyFrozenSet>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    dump(record, Some(known))
}

fn dump<'py>(
    record: &Bound<'py, PyAny>,
    known: Option<&Bound<'py, PyFrozenSet>>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = record.py();
    let fields = record.getattr(intern!(py, "_towline_fields"))?.cast_into::<PyDict>()?;
    let dumped = fields.copy()?;
    for (name, value) in &fields {
        if is_plain(&value) {
            continue;
        }
        let inner = match known {
            Some(known) if known.contains(value.get_type())? => dump(&value, None)?,
            Some(_) | None => None,
        };
        let Some(inner) = inner else { return Ok(None) };
        dumped.set_item(name, inner)?;
    }
    let extra = slot(record, intern!(py, "__pydantic_extra__"))?;
    if let Some(extra) = extra.filter(|extra| !extra.is_none()) {
        for (name, value) in &extra.cast_into::<PyDict>()? {
            if !is_plain(&value) {
                return Ok(None);
            }
            dumped.set_item(name, value)?;
        }
    }
    Ok(Some(dumped))
}

/// Whether a value is dumped unchanged.
fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
}
