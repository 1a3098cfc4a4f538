//! Redis or Valkey, for several relays at once.

mod address;
mod connection;
mod resp;
pub(crate) mod scripts;
mod store;
mod version;

pub use address::{NotRedis, RedisAddress};
pub use connection::RedisError;
pub(crate) use connection::{Connection, PATIENCE, none_failed};
pub(crate) use resp::{Commands, Reply};
pub(crate) use scripts::{PREFIX, bytes_channel, key};
pub(crate) use store::{RedisStore, Stored};
pub(crate) use version::Version;
