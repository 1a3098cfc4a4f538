//! The server: a socket, its connections, and request handling.

mod run;
mod service;

pub use run::Server;
