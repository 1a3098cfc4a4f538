//! From a prompt's tokens to an answer's text.

pub(crate) mod answer;
mod characters;
pub(crate) mod sample;
mod stop;
