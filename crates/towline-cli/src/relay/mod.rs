//! The relay in this program: what it is told, where its things are, what it tells.

mod logs;
pub mod place;
mod settings;
mod values;

pub use logs::start as start_logs;
pub use settings::Settings;
