//! What a request gets.

mod answer;
mod body;
mod control;
mod front;
pub(crate) mod guard;
mod input;
mod ops;
mod pass;
mod service;
mod streams;

pub(crate) use service::serve;
pub(crate) use streams::{is_over, read_json_lines};
