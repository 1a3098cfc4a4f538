//! Files with the lines of a [`session`](super::session): those of earlier versions, and exports.
//!
//! This module never changes a file. Every call waits for the disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The extension of the files.
pub const ENDING: &str = "jsonl";
/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 << 20;

/// The reason why a session file cannot be used.
#[derive(Debug)]
pub enum SessionFileError {
    /// The text cannot be a session's name.
    BadName(String),
    /// It is larger than [`MAX_BYTES`].
    TooLarge,
    /// A line, counted from 1, is not UTF-8 text.
    NotText(usize),
    /// An error of the operating system.
    Io(io::Error),
}

impl fmt::Display for SessionFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(f, "{name:?} cannot be a session's name"),
            Self::TooLarge => write!(f, "it is larger than {} MiB", MAX_BYTES >> 20),
            Self::NotText(line) => write!(f, "line {line} is not UTF-8 text; the file is left as it is"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionFileError {}

impl From<io::Error> for SessionFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The path of the session with this name, whether it exists or not.
///
/// # Errors
/// [`SessionFileError::BadName`] for a name that would leave the folder or be hidden in it.
pub fn named(folder: &Path, name: &str) -> Result<PathBuf, SessionFileError> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0', '\n']);
    if !plain {
        return Err(SessionFileError::BadName(name.to_owned()));
    }
    let name = name.strip_suffix(&format!(".{ENDING}")).unwrap_or(name);
    Ok(folder.join(format!("{name}.{ENDING}")))
}

/// The text of a file.
///
/// # Errors
/// [`SessionFileError::TooLarge`], [`NotText`](SessionFileError::NotText), and those of the file system.
pub fn read(path: &Path) -> Result<String, SessionFileError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SessionFileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let whole = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        SessionFileError::NotText(1 + whole.iter().filter(|byte| **byte == b'\n').count())
    })
}

/// The names of the sessions with the times of their last change, most recent first. Empty if there is no
/// folder.
pub fn list(folder: &Path) -> Vec<(String, SystemTime)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sessions: Vec<(String, SystemTime)> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|path| {
            let written = path.metadata().ok()?.modified().ok()?;
            Some((path.file_stem()?.to_string_lossy().into_owned(), written))
        })
        .collect();
    sessions.sort_by_key(|(_, written)| std::cmp::Reverse(*written));
    sessions
}
