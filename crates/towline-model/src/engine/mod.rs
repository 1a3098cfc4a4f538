//! The engine: weights, the forward pass, sampling and the loop that turns a prompt into text.
//!
//! It does its matrix products itself, row by row over candle's quantised block kernels, instead of going through
//! candle's tensors. Those spread every product over a process-wide pool whose size only environment variables set,
//! and on a busy machine that pool is many times slower than one thread. Here the number of threads is a value that
//! belongs to each model, so a library can load one without touching its host.

pub(crate) mod cache;
pub(crate) mod generate;
pub(crate) mod hyper;
pub(crate) mod llama;
pub(crate) mod load;
pub(crate) mod matrix;
pub(crate) mod rope;
pub(crate) mod sample;
pub(crate) mod stop;
pub(crate) mod threads;
