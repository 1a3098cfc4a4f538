//! Generates the text of an answer from the tokens of a prompt.

pub(crate) mod answer;
pub(crate) mod sample;
mod text;
