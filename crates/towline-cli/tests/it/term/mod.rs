//! The terminal layer alone, in its demonstration program.

mod block;
mod demo;
mod keys;
mod signals;
