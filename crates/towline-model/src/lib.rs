//! Towline's built-in model: a small language model inside the binary, behind the Ollama API.
//!
//! The model is Brook, a toy of 2.8 million parameters that streams real tokens, so that everything can be tried with
//! no server installed. Its forward pass and its tokenizer are written out here; other models are served by Ollama or
//! llama.cpp.
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
//! This crate never opens another model, uses a network beyond the address on which it listens, prints, or
//! reads the environment.
//!
//! | module | what |
//! |---|---|
//! | `brook` | the file, tokenizer, chat form, forward pass |
//! | `engine` | sampling, and the loop that answers |
//! | `resident` | loading and unloading; answers at once, and their queue |
//! | `api` | requests and records of Ollama's API and of OpenAI's chat |
//! | `serve` | sockets and routes |

mod api;
mod brook;
mod config;
mod engine;
mod error;
mod resident;
mod serve;

pub use config::{Config, KeepAlive, Limits};
pub use error::Error;
pub use serve::Server;
