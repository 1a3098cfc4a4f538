//! The relay that the verbs for jobs speak to: where it is, starting it, and what is said about its jobs.

mod ending;
mod own;
mod place;
mod start;

pub use ending::{exit_of, explain, left, say_state};
pub use own::begin_session;
pub use start::{Reached, reach, reach_running};
