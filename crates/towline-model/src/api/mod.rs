//! Ollama's API: what requests say, what answers look like, and what each endpoint does.

pub(crate) mod answer;
pub(crate) mod catalog;
pub(crate) mod embed;
pub(crate) mod error;
pub(crate) mod keep_alive;
pub(crate) mod listing;
pub(crate) mod options;
pub(crate) mod prompt;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod response;
