//! What can go wrong, in words that name the part at fault.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening address could not be taken.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A model file could not be loaded.
    #[error("cannot load the model {name}")]
    Load {
        /// The model's name, or its path where it has no name yet.
        name: String,
        /// What is wrong with it.
        #[source]
        source: LoadError,
    },
    /// Two models share one name.
    #[error("two models are named {0}")]
    DuplicateName(String),
    /// The child process that runs a user's model could not be started.
    #[error("cannot start the model process {}", program.display())]
    Spawn {
        /// The program that was to be run.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration asks for something that cannot be done.
    #[error("{0}")]
    Config(String),
}

/// Why a GGUF file was refused.
///
/// Every kind names the key, the tensor or the part that is missing, so a person can act on it. A file is never
/// accepted in the hope that it works: what this engine does not know, it refuses.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Reading failed, or the file could not be opened.
    #[error("cannot read {what}: {source}")]
    Io {
        /// What was being read.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: it does not begin with the letters GGUF")]
    NotGguf,
    /// A version of the format that is not read here.
    #[error("GGUF version {0} is not supported (2 and 3 are)")]
    Version(u32),
    /// The file ends too early.
    #[error("the file is cut short: it ends inside {what}")]
    Truncated {
        /// The key, tensor or part that is incomplete.
        what: String,
    },
    /// The bytes contradict themselves or the format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// The key, tensor or part at fault.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key that this architecture needs is absent.
    #[error("the key {0} is missing")]
    MissingKey(String),
    /// A tensor that this architecture needs is absent.
    #[error("the tensor {0} is missing")]
    MissingTensor(String),
    /// A tensor has other dimensions than the keys promise.
    #[error("the tensor {tensor} has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// What the keys promise, outermost dimension first.
        expected: Vec<u64>,
        /// What the file holds, outermost dimension first.
        found: Vec<u64>,
    },
    /// Correct as far as it goes, but this engine cannot run it.
    #[error("{what} is not supported")]
    Unsupported {
        /// The missing part, for example `the architecture "gemma2"`.
        what: String,
    },
    /// More memory than this engine is willing to take.
    #[error("{what} needs more memory than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What was too large.
        what: String,
        /// The limit in bytes.
        limit_bytes: u64,
    },
}

impl LoadError {
    pub(crate) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), why: why.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}
