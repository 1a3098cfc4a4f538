//! Which model server is meant, and where its answers run.
//!
//! Everything here is decided from data: a program reads its arguments and its environment itself, and starts the built-in model
//! itself where no server is found.
//!
//! | file | its one job |
//! |---|---|
//! | `environment` | what the environment and the configuration say |
//! | `spec` | the server that is meant, and a client of it |
//! | `relay` | where the relay is; the own one is started |
//! | `answering` | where answers run: on a relay, or in the program that asks |

mod answering;
mod environment;
mod relay;
mod spec;

use std::fmt;

use towline::relay::LaunchError;

pub use answering::{Answering, Wanted, named_server};
pub use environment::Environment;
pub use relay::{Reached, RelayPlace};
pub use spec::{ResolvedServer, ServerSource, ServerSpec, answers, client};

/// What a relay calls the Ollama on its machine, where no model server is named.
pub const OLLAMA: &str = "ollama";
/// What a relay calls the model in its process then; it is shown by this name everywhere.
pub const BUILTIN: &str = "built-in";

/// Why there is no server, or no relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Whether what was asked for cannot be done as asked; else something on this machine failed.
    pub is_usage: bool,
    /// What is wrong, naming the input.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl ServerError {
    fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_usage: true, message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<LaunchError> for ServerError {
    fn from(error: LaunchError) -> Self {
        let hint = error.last_words.map(|words| format!("it said: {words}"));
        Self { is_usage: false, message: error.message, hint }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}; {hint}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ServerError {}
