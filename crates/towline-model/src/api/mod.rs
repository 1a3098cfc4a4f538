//! Ollama's API: what requests say, what answers look like, and what each endpoint does.

pub(crate) mod answer;
pub(crate) mod embed;
pub(crate) mod error;
mod keep_alive;
pub(crate) mod listing;
mod options;
mod prompt;
mod records;
pub(crate) mod request;
pub(crate) mod response;

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, KeepAlive};
use crate::resident::Resident;

/// The model on offer, and what its requests get where they do not say.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) resident: Arc<Resident>,
    keep_alive: KeepAlive,
    /// Tokens per second at most.
    rate: Option<f32>,
    /// When the server started.
    since: Timestamp,
}

impl Model {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            resident: Arc::new(Resident::new(&config.limits)),
            keep_alive: config.limits.keep_alive,
            rate: config.rate,
            since: Timestamp::now(),
        }
    }
}

/// Whether a name is Brook's: whatever its case, with or without `:latest` and what Ollama adds in front.
pub(crate) fn is_brook(name: &str) -> bool {
    let name = name.strip_prefix("registry.ollama.ai/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    ["brook", "brook:latest"].iter().any(|brook| name.eq_ignore_ascii_case(brook))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_form() {
        for name in ["brook", "Brook:latest", "library/brook", "registry.ollama.ai/library/brook:latest"] {
            assert!(is_brook(name), "{name}");
        }
        for name in ["", "brook:1", "other/brook", "brook2", ":latest"] {
            assert!(!is_brook(name), "{name}");
        }
    }
}
