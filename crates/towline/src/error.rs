//! What went wrong, and whose fault it was.

pub use towline_core::error::{Error, ErrorKind, Fault};
pub use towline_core::host::HostError;
