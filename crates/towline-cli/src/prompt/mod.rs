//! The prompt: chat with models, with the shell's own job control.
//!
//! | module | its one job |
//! |---|---|
//! | [`parse`], [`command`] | parsing of typed lines |
//! | [`spec`], [`jobs`] | a shell's jobspecs and job table |
//! | [`item`], [`pace`], [`notice`] | a job of the prompt, its rate, and how it is described |
//! | [`state`], [`run`] | the prompt's state and its loop |
//! | [`asking`], [`following`], [`ending`] | makes jobs of questions, records and shows their output, explains how they ended |
//! | [`relay`] | the relay that runs answers, and its unfinished answers |
//! | [`verbs`] | what each verb does |
//! | [`background_task`] | work that would block the prompt, done in the background |
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
