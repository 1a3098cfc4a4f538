//! The native half of the Python package `towline`.
//!
//! It has no logic of its own: it exposes the crate `towline` to Python. It never calls Python from a thread that
//! Python did not start; a descriptor wakes the threads that wait.
//!
//! | file | its one job |
//! |---|---|
//! | `native` | the client inside Python's clients |
//! | `registry` | the running requests of a client |
//! | `stream`, `call` | a streamed and a single answer, for threads and for event loops |
//! | `shape` | from records to instances of Python's models |
//! | `made` | records in Ollama's form for an answer in another form |
//! | `timestamp` | the timestamp in which similar records differ |
//! | `reuse`, `texts` | records and strings that are reused |
//! | `instance` | instances without their constructors |
//! | `dump` | dictionaries of records |
//! | `relay` | commands to a relay |
//! | `driver`, `mailbox` | the tasks that drive answers, and the queue between them and Python |
//! | `parker`, `hub`, `descriptor` | waking a thread, an event loop |
//! | `forked` | values that must not be used after a fork |
//! | `leaf` | the lock under which no Python code runs |
//! | `runtime` | the thread that drives everything |
//! | `failure` | Python's exceptions |
//! | `engine` | jobs in the background |

mod call;
mod descriptor;
mod driver;
mod dump;
mod engine;
mod failure;
mod forked;
mod hub;
mod instance;
mod leaf;
mod made;
mod mailbox;
mod native;
mod parker;
mod registry;
mod relay;
mod reuse;
mod runtime;
mod shape;
mod stream;
mod texts;
mod timestamp;

use pyo3::prelude::*;

/// Each part adds its own names. The module needs the interpreter's lock: the stable ABI has no wheel for a free-threaded
/// interpreter, so the tests have never run on one. If one builds this from source, it enables its lock again.
#[pymodule(gil_used = true)]
fn _towline(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<native::NativeClient>()?;
    module.add_class::<stream::Stream>()?;
    module.add_class::<call::Call>()?;
    module.add_class::<relay::Watch>()?;
    module.add_class::<hub::Hub>()?;
    module.add_function(wrap_pyfunction!(native::own_relay, module)?)?;
    module.add_function(wrap_pyfunction!(native::split_thinking, module)?)?;
    module.add_function(wrap_pyfunction!(dump::plain_dump, module)?)?;
    engine::register(module)
}
