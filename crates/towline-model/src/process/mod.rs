//! Users' models in a process of their own: a crash, or a kernel that runs out of memory, costs that process only.
//!
//! Parent and child speak HTTP/2 over the child's standard input and output: many answers on one pair of pipes, each
//! cancelled by itself, no port that others could reach, and an end of file on either side when the other is gone.

mod child;
mod forward;
mod parent;

pub use child::run_child;
pub(crate) use forward::Forwarded;
pub(crate) use parent::ChildModel;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Limits;

/// What a child is told, as JSON in its last argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) rate: Option<f32>,
    pub(crate) limits: Limits,
}
