//! Creates instances of Python classes without their constructors, twice for every record of a stream, and
//! accesses their slots.
//!
//! The safe way, calls of `object.__new__` and `object.__setattr__`, took a third of the total time of a
//! record, because the stable ABI of Python 3.9 has no fast calls. This module uses the functions in which those
//! calls end.

#![expect(unsafe_code, reason = "the functions have no safe face, and the calls around them are what costs")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

/// An instance of `class` with these attributes and nothing else. `class` and all its bases must be written
/// in Python: then the allocated memory is all that an instance consists of.
pub(crate) fn instance<'py>(
    class: &Bound<'py, PyType>,
    attributes: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    // SAFETY: `class` is a type that lives as long as this borrow. The function returns a new reference to a complete
    // object, all zero after its head as such a class expects, or null with an exception set.
    let made = unsafe {
        let made = ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0);
        Bound::from_owned_ptr_or_err(py, made)?
    };
    // SAFETY: all three are live objects, or null where the function allows it; it takes its own reference to the
    // dictionary, and returns -1 if it has set an exception.
    let set =
        unsafe { ffi::PyObject_GenericSetDict(made.as_ptr(), attributes.as_ptr(), std::ptr::null_mut()) };
    if set == 0 { Ok(made) } else { Err(PyErr::fetch(py)) }
}

/// Sets an attribute for which the class has a slot; a `__setattr__` of the class is not called.
pub(crate) fn set_slot(
    object: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: all three are live objects, and the function takes its own reference to the value; -1 means that it has set an
    // exception.
    let set = unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) };
    if set == 0 { Ok(()) } else { Err(PyErr::fetch(object.py())) }
}

/// The value in a slot of the object; a `__getattr__` of the class is not called.
///
/// # Errors
/// If reading it raises anything except `AttributeError`, which means an empty slot.
pub(crate) fn slot<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    // SAFETY: both are live objects. The function returns a new reference, or null with an exception set.
    let found = unsafe {
        let found = ffi::PyObject_GenericGetAttr(object.as_ptr(), name.as_ptr());
        Bound::from_owned_ptr_or_opt(py, found)
    };
    if found.is_some() {
        return Ok(found);
    }
    // The slots of most records are empty, so the exception is cleared before it becomes an object.
    // SAFETY: an exception is set.
    let is_empty = unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 };
    if !is_empty {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: the interpreter is attached, which `py` shows.
    unsafe { ffi::PyErr_Clear() };
    Ok(None)
}
