//! The library against real sockets.

mod engine;
