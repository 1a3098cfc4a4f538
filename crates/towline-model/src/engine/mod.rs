//! From a prompt's tokens to an answer's text.

pub(crate) mod answer;
pub(crate) mod sample;
mod text;
