//! The prompt.

mod arguments;
mod command;
mod config;
mod jobs;
mod parse;
mod screen;
mod spec;
mod verb;
mod words;
