//! What a request gets.

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
mod key;
mod lists;
mod ops;
mod page;
mod pass;
mod route;
mod service;
mod streams;
mod trail;
mod via;

pub(crate) use answer::Answer;
pub(crate) use body::{Body, Cut};
pub(crate) use key::Roles;
pub(crate) use pass::for_client;
pub(crate) use service::serve;
pub(crate) use streams::{is_over, read_json_lines};
pub(crate) use via::Hop;
