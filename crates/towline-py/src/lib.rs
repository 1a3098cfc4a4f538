//! The native half of the Python package `towline`.
//!
//! It has no logic of its own: it hands Python what the crate `towline` does. It never calls Python from a thread that
//! Python did not start; whoever waits is woken by a descriptor.
//!
//! | file | its one job |
//! |---|---|
//! | `engine` | jobs in the background |

mod engine;

use pyo3::prelude::*;

/// Each part adds its own names.
#[pymodule]
fn _towline(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    engine::register(module)
}
