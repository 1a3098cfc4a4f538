//! What requests say, what answers look like, and what each endpoint does: Ollama's API, and OpenAI's chat.

pub(crate) mod chat;
pub(crate) mod embed;
pub(crate) mod error;
pub(crate) mod listing;
pub(crate) mod memory;
mod options;
mod prompt;
pub(crate) mod records;
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
        let resident = Arc::new(Resident::new(&config.limits));
        let (keep_alive, rate) = (config.limits.keep_alive, config.rate);
        Self { resident, keep_alive, rate, since: Timestamp::now() }
    }
}
