//! Jobs in the background, for Python.
//!
//! | file | its one job |
//! |---|---|
//! | `start` | an engine and the ways to make a job |
//! | `job` | the handle of a job, and the cursor on its log |
//! | `outcome` | what a job received and how it ended |
//! | `external` | jobs whose work is done in Python |
//! | `foreground` | the news of all jobs, merged, for each foreground |
//! | `bell` | waiting: on a thread that Ctrl-C interrupts, or in an event loop |

mod bell;
mod external;
mod foreground;
mod job;
mod outcome;
mod start;

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// A process has each type once, so only one interpreter can have them. Python 3.12 and later reject the others themselves.
fn refuse_subinterpreters(py: Python<'_>) -> PyResult<()> {
    /// The `sys` module of the first interpreter: each interpreter has its own.
    static HOME: OnceLock<usize> = OnceLock::new();
    let sys = py.import("sys")?.as_ptr() as usize;
    if *HOME.get_or_init(|| sys) == sys {
        return Ok(());
    }
    Err(PyImportError::new_err("module towline._towline does not support loading in subinterpreters"))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    refuse_subinterpreters(module.py())?;
    module.add_class::<start::EngineCore>()?;
    module.add_class::<job::JobCore>()?;
    module.add_class::<job::JobInfo>()?;
    module.add_class::<job::Cursor>()?;
    module.add_class::<external::Work>()?;
    module.add_class::<foreground::Foreground>()?;
    module.add_class::<foreground::Update>()?;
    module.add_class::<bell::Wait>()?;
    module.add_class::<outcome::PyEvent>()?;
    module.add_class::<outcome::PyOutcome>()?;
    module.add_class::<outcome::Reply>()?;
    module.add_function(wrap_pyfunction!(job::jobs_ended, module)?)
}
