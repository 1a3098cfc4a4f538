//! What an answer's text is made of.

pub mod code;
