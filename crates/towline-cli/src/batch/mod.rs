//! `towline batch`: a file of questions, whose answers run on the relay as one group.
//!
//! | module | its one job |
//! |---|---|
//! | [`questions`] | the file, as requests |
//! | [`results`] | the results' lines: which there are, and writing those that are missing |
//! | [`state`] | where each question is, and what is done next |
//! | [`work`] | does it: hands requests over, watches the group, reads answers |
//! | [`progress`] | the bar |
//! | [`told`] | the command for each result, and the notification |
//!
//! Nothing of a batch is kept beside the relay's answers and the results: each try of a question has a request id made of the request
//! itself, so the relay knows what it was asked before.

mod progress;
pub mod questions;
pub mod results;
mod state;
mod told;
pub mod work;
