//! The server: a socket, its connections, and what each request gets.

mod run;
mod service;

pub use run::Server;
