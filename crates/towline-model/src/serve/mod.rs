//! The server: a socket, its connections, and what each request gets.

mod guard;
mod run;
pub(crate) mod service;

pub use run::Server;
