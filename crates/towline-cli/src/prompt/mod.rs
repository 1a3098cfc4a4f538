//! The prompt: chat with models, with the shell's own job control.
//!
//! | module | its one job |
//! |---|---|
//! | [`parse`], [`command`] | what was typed, understood |
//! | [`spec`], [`jobs`] | jobspecs and the job table, as a shell has them |
//! | [`item`], [`pace`], [`notice`] | what a job is here, how fast it comes, and how it is told |
//! | [`state`], [`run`] | the prompt's state and its loop |
//! | [`asking`], [`following`], [`ending`] | questions become jobs, what comes of them is written down and shown, how it ended |
//! | [`relay`] | the relay that answers run on, and what it has the rest of |
//! | [`verbs`] | what each verb does |
//! | [`background_task`] | what would make the prompt wait, done elsewhere |
//! | [`session`], [`complete`] | files and completion |
//! | [`start`] | from the command line to a running prompt |

mod asking;
mod background_task;
mod command;
mod complete;
mod context;
mod ending;
mod following;
mod item;
mod jobs;
mod notice;
mod pace;
mod parse;
mod relay;
mod run;
mod session;
mod slash;
mod spec;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod verbs;

pub use start::start;
