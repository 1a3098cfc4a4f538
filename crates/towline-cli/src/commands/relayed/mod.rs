//! The relay of the verbs for jobs: starts it, and describes its jobs.

mod ending;
mod session;
mod start;

pub use ending::{exit_of, explain, left};
pub use session::begin_session;
pub use start::{reach, reach_running, reach_server};
