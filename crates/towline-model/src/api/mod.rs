//! Requests, responses and endpoints: Ollama's API, and OpenAI's chat.

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
use tokio::sync::Semaphore;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::resident::Resident;

/// The state that requests share: the model and the defaults.
#[derive(Debug)]
pub(crate) struct Model {
    resident: Arc<Resident>,
    pub(crate) limits: Limits,
    pub(crate) memory: Arc<Semaphore>,
    /// The maximum number of tokens per second.
    rate: Option<f32>,
    /// When the server started.
    since: Timestamp,
}

impl Model {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        if let Some(rate) = config.rate.filter(|rate| rate.is_nan() || *rate <= 0.0) {
            return Err(Error::Rate(rate));
        }
        let limits = config.limits.clone();
        let (resident, memory) = (Arc::new(Resident::new(&limits)), memory::budget(limits.memory_bytes));
        Ok(Self { resident, limits, memory, rate: config.rate, since: Timestamp::now() })
    }
}
