//! Records that are reused once nothing else refers to them, as `zip` and `enumerate` do with their tuples.
//!
//! A loop drops each record when it takes the next one. Freeing its objects and creating the same ones again was most of
//! the cost of a record. A record is not reused if something still refers to it or to a part of it, or if it may have been
//! changed: `towline._model.Answer` then adds a reference to its dictionary.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// An instance that was made from its attributes.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) object: Py<PyAny>,
    pub(crate) fields: Py<PyDict>,
}

impl Instance {
    /// Whether the instance has only these references, and its dictionary only two: the instance's own and the one here.
    #[inline]
    fn has_only(&self, py: Python<'_>, references: u32) -> bool {
        count(self.object.bind(py)) == references && count(self.fields.bind(py)) == 2
    }
}

/// A record that Python may still hold.
#[derive(Debug)]
pub(crate) struct ReusableRecord {
    pub(crate) record: Instance,
    /// The message inside it, if it has one.
    pub(crate) message: Option<Instance>,
    /// The number of the timestamp that it has.
    pub(crate) timestamp: u64,
}

impl ReusableRecord {
    #[inline]
    fn is_free(&self, py: Python<'_>) -> bool {
        // The record holds one reference to its message.
        self.record.has_only(py, 1) && self.message.as_ref().is_none_or(|message| message.has_only(py, 2))
    }
}

/// The last two records: a loop still holds one when it asks for the next.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    records: [Option<ReusableRecord>; 2],
    next: usize,
}

impl Recent {
    /// The older of the two, if nothing else refers to it.
    #[inline]
    pub(crate) fn take_older(&mut self, py: Python<'_>) -> Option<ReusableRecord> {
        let older = &mut self.records[self.next];
        if older.as_ref()?.is_free(py) { older.take() } else { None }
    }

    /// Replaces the older one.
    #[inline]
    pub(crate) fn replace_older(&mut self, newer: ReusableRecord) {
        self.records[self.next] = Some(newer);
        self.next = 1 - self.next;
    }
}

/// The number of references to an object. From Python 3.14 on, the upper half is not part of the number.
#[inline]
#[expect(deprecated, reason = "what it is to be replaced by needs `unsafe`")]
fn count(object: &Bound<'_, PyAny>) -> u32 {
    object.get_refcnt() as u32
}
