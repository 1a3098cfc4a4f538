//! Towline's built-in model: a small language model inside the binary, behind the Ollama API.
//!
//! The model is Brook, a toy of 2.8 million parameters that streams real tokens, so that everything can be tried with
//! no server installed. The same engine opens a user's own GGUF files (llama, qwen2 and qwen3 architectures).
//!
//! ```no_run
//! # async fn example() -> Result<(), towline_model::Error> {
//! use towline_model::{Config, Server};
//!
//! let server = Server::bind(Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() }).await?;
//! let url = format!("http://{}", server.local_addr());
//! server.run(async { /* ready when it is time to stop */ }).await;
//! # Ok(())
//! # }
//! ```
//!
//! What it never does: reach for a network beyond the address it listens on, print, or read the environment. How many
//! threads it computes on is decided per model and touches nothing else in the process.
//!
//! | module | what |
//! |---|---|
//! | `gguf` | reading model files |
//! | `text` | tokenizer, characters, chat templates |
//! | `engine` | weights, forward pass, sampling, the loop that answers |
//! | `slots`, `resident` | answers at once, their queue; loading and letting go |
//! | `api` | Ollama's requests and records |
//! | `serve` | sockets and routes |
//! | `process` | users' models in processes of their own |

mod api;
mod builtin;
mod config;
mod describe;
mod engine;
mod error;
mod gguf;
mod process;
mod resident;
mod serve;
mod slots;
mod text;

pub use config::{Config, KeepAlive, Limits, Runner, Source};
pub use error::{Error, LoadError};
pub use process::run_child;
pub use serve::Server;
