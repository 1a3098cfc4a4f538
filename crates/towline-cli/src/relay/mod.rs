//! The relay in this program: what it is told, where its things are, what it tells.

#[cfg(feature = "relay")]
mod logs;
#[cfg(feature = "relay")]
mod past;
pub mod place;
#[cfg(feature = "relay")]
mod rest;
#[cfg(feature = "relay")]
mod settings;
#[cfg(feature = "relay")]
mod signals;
#[cfg(feature = "relay")]
pub mod systemd;

#[cfg(feature = "relay")]
pub use logs::{say, start as start_logs};
#[cfg(feature = "relay")]
pub use past::Past;
#[cfg(feature = "relay")]
pub use rest::keeper;
#[cfg(feature = "relay")]
pub use settings::Settings;
#[cfg(feature = "relay")]
pub use signals::{Asked, Signals};
