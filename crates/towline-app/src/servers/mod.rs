//! Finds the model server, and the place where its answers run.
//!
//! All decisions here depend only on data: a program reads its arguments and its environment itself, and
//! starts the built-in model itself if no server is found.
//!
//! | file | its one job |
//! |---|---|
//! | `environment` | settings from the environment and the configuration |
//! | `spec` | the chosen server, and a client of it |
//! | `relay` | finds the relay, and starts the own one |
//! | `answering` | where answers run: on a relay, or in the program that asks |

mod answering;
mod environment;
mod relay;
mod spec;

use std::fmt;

use towline::relay::LaunchError;

pub use answering::{Answering, RunTarget, named_server};
pub use environment::Environment;
pub use relay::{Reached, RelayPlace};
pub use spec::{ResolvedServer, ServerSource, ServerSpec, answers, client};

/// A relay's name for the Ollama on its machine, if no model server is configured.
pub const OLLAMA: &str = "ollama";
/// A relay's name for its built-in model in that case; the model has this name everywhere.
pub const BUILTIN: &str = "built-in";

/// The reason why there is no server, or no relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Whether it is a usage error; otherwise something on this machine failed.
    pub is_usage: bool,
    /// What is wrong with which input.
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
