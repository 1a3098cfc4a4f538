//! A cache of strings for short texts: most tokens of a model are short, and a few make up most of an answer.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Longer texts are not cached.
const LONGEST_BYTES: usize = 7;
const PLACES: usize = 128;

/// The last string in each slot. A text has one slot, which it shares with others.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<Option<(u64, Py<PyString>)>>);

impl Texts {
    #[inline]
    pub(crate) fn string<'py>(&mut self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        let Some(key) = key(text) else { return PyString::new(py, text) };
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        let place = &mut self.0[place(key)];
        if let Some((held, string)) = place
            && *held == key
        {
            return string.bind(py).clone();
        }
        let string = PyString::new(py, text);
        *place = Some((key, string.clone().unbind()));
        string
    }
}

/// A short text as a number: its length and its bytes.
#[inline]
fn key(text: &str) -> Option<u64> {
    let length = text.len();
    (length <= LONGEST_BYTES)
        .then(|| text.bytes().fold(length as u64, |key, byte| (key << 8) | u64::from(byte)))
}

/// The upper bits of a product depend on all bits of the key.
#[inline]
fn place(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.ilog2())) as usize
}
