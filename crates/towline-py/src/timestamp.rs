//! The timestamp of a record, looked for where it stood in the one before.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// What stands before it. Inside a string the quotes would be escaped.
const NAME: &[u8] = b"\"created_at\":\"";

/// Where it stands in the records of a row, and the last one. Records that come together often have the same.
#[derive(Debug)]
pub(crate) struct Timestamp {
    at: usize,
    /// As it stands in the record, with its name and quotes.
    member: Vec<u8>,
    pub(crate) text: Py<PyString>,
    /// How many others there were before it.
    pub(crate) number: u64,
}

impl Timestamp {
    /// The one in `json`.
    pub(crate) fn find(py: Python<'_>, json: &[u8]) -> Option<Self> {
        let at = json.windows(NAME.len()).position(|bytes| bytes == NAME)?;
        let (member, text) = split(&json[at..])?;
        Some(Self { at, member: member.to_vec(), text: PyString::new(py, text).unbind(), number: 0 })
    }

    /// Takes the one of another record. `None` if none stands there.
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

/// The timestamp that `rest` begins with: with its name and quotes, and without.
fn split(rest: &[u8]) -> Option<(&[u8], &str)> {
    let inside = rest.strip_prefix(NAME)?;
    let length = inside.iter().position(|byte| *byte == b'"')?;
    let text = std::str::from_utf8(&inside[..length]).ok()?;
    Some((&rest[..NAME.len() + length + 1], text))
}
