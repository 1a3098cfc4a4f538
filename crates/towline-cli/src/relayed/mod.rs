//! The relay that the verbs for jobs speak to: where it is, starting it, and what is said about its jobs.

mod ending;
mod place;
mod server;
mod session;
mod start;

pub use ending::{exit_of, explain, left};
pub use place::{Place, client};
pub use server::named_server;
pub use session::begin_session;
pub use start::{Reached, reach, reach_at, reach_running};
