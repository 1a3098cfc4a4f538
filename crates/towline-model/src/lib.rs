//! The built-in model of Towline, behind the Ollama API.

mod builtin;
mod engine;
pub mod error;
mod gguf;
mod text;
pub use error::{Error, LoadError};
