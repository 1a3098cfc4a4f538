//! The relay of the verbs for jobs: starts it, and describes its jobs.

mod ending;
mod session;
mod start;

pub use ending::{detached_message, exit_of, explain};
pub use session::begin_session;
pub use start::{reach, reach_running, reach_server};
