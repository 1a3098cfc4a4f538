//! The terminal layer by itself, in its demonstration program.

mod block;
mod demo;
mod keys;
mod signals;
