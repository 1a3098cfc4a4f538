//! The relay that the verbs for jobs speak to: where it is, starting it, and what is said about its jobs.

mod ending;
mod place;
mod server;
mod session;
mod start;

/// What a relay calls the Ollama on its machine, where no model server is named.
pub const OLLAMA: &str = "ollama";
/// What a relay calls the model in its process then; it is shown by this name everywhere.
pub const BUILTIN: &str = "built-in";

pub use ending::{exit_of, explain, left};
pub use place::{Place, client};
pub use server::named_server;
pub use session::begin_session;
pub use start::{Reached, reach, reach_at, reach_running};
