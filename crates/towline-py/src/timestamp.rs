//! The timestamp of a record, at its position in the record before.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The text before the timestamp. Inside a string, the quotes would be escaped.
const NAME: &[u8] = b"\"created_at\":\"";

/// The position of the timestamp in the records of a row, and the last value. Records that arrive together often share it.
#[derive(Debug)]
pub(crate) struct Timestamp {
    at: usize,
    /// The text in the record, with the name and the quotes.
    member: Vec<u8>,
    pub(crate) text: Py<PyString>,
    /// The number of different timestamps before it.
    pub(crate) number: u64,
}

impl Timestamp {
    /// Finds the timestamp in `json`.
    pub(crate) fn find(py: Python<'_>, json: &[u8]) -> Option<Self> {
        let at = json.windows(NAME.len()).position(|bytes| bytes == NAME)?;
        let (member, text) = split(&json[at..])?;
        Some(Self { at, member: member.to_vec(), text: PyString::new(py, text).unbind(), number: 0 })
    }

    /// Takes the timestamp of another record. `None` if there is none at the position.
    #[inline]
    pub(crate) fn follow(&mut self, py: Python<'_>, json: &[u8]) -> Option<()> {
        let rest = json.get(self.at..)?;
        if !rest.starts_with(&self.member) {
            let (member, text) = split(rest)?;
            self.member.clear();
            self.member.extend_from_slice(member);
            self.text = PyString::new(py, text).unbind();
            self.number += 1;
        }
        Some(())
    }
}

/// The timestamp at the start of `rest`: with its name and quotes, and without them.
fn split(rest: &[u8]) -> Option<(&[u8], &str)> {
    let inside = rest.strip_prefix(NAME)?;
    let length = inside.iter().position(|byte| *byte == b'"')?;
    let text = std::str::from_utf8(&inside[..length]).ok()?;
    Some((&rest[..NAME.len() + length + 1], text))
}
