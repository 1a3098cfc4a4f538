//! The server: a socket, its connections, and what each request gets.

mod guard;
mod run;
mod service;

pub use run::Server;
