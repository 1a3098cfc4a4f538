//! Handles requests.

mod answer;
mod ask;
mod backup;
mod body;
mod control;
mod devices;
mod front;
pub(crate) mod guard;
mod history;
mod input;
mod jobs;
mod lists;
mod metrics;
mod ops;
mod page;
mod pass;
mod route;
mod service;
mod streams;
mod trail;

pub(crate) use answer::Answer;
pub(crate) use body::{Body, Cut};
pub(crate) use service::serve;
pub(crate) use streams::read_json_lines;
