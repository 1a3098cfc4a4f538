//! Conversations on disk: one file each, in a folder that the caller names.
//!
//! A file holds the lines of [`session`](super::session) and is appended to as text arrives, before
//! it is shown. It is its owner's alone, and locked while a program writes to it. Every call here waits for the disk.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Settings, session};

/// What the files' names end in.
pub const ENDING: &str = "jsonl";
/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 << 20;

/// Why a session's file cannot be used.
#[derive(Debug)]
pub enum SessionFileError {
    /// The text cannot be a session's name.
    BadName(String),
    /// There is none of this name.
    Missing,
    /// Another program writes to it.
    InUse,
    /// It is larger than [`MAX_BYTES`].
    TooLarge,
    /// A line, counted from 1, is not UTF-8 text.
    NotText(usize),
    /// The system says no.
    Io(io::Error),
}

impl fmt::Display for SessionFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(f, "{name:?} cannot be a session's name"),
            Self::Missing => f.write_str("there is no such session"),
            Self::InUse => f.write_str("it is open in another program"),
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

/// Makes a new file named `base` (or `base-2`, and so on, where there is one) that begins with a header and the
/// settings. `created` is a time in RFC 3339.
///
/// # Errors
/// Those of the file system.
pub fn create(
    folder: &Path,
    base: &str,
    created: &str,
    settings: &Settings,
) -> Result<(PathBuf, File), SessionFileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut path = named(folder, base)?;
    let mut file = create_new(&path);
    for copy in 2..100 {
        match &file {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = named(folder, &format!("{base}-{copy}"))?;
                file = create_new(&path);
            }
            Ok(_) | Err(_) => break,
        }
    }
    let mut file = file?;
    // Only to tell other programs that it is in use.
    drop(file.try_lock());
    let head = session::header(created) + &session::settings(settings);
    file.write_all(head.as_bytes())?;
    Ok((path, file))
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Where the session with this name is, or would be.
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

/// Opens a file to go on with it, with its text. A last line that a crash has cut is dropped from the file.
///
/// # Errors
/// [`SessionFileError::Missing`], [`InUse`](SessionFileError::InUse), [`TooLarge`](SessionFileError::TooLarge),
/// [`NotText`](SessionFileError::NotText), and those of the file system. The file is as it was then.
pub fn open(path: &Path) -> Result<(File, String), SessionFileError> {
    let file = OpenOptions::new().read(true).append(true).open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            SessionFileError::Missing
        } else {
            SessionFileError::Io(error)
        }
    })?;
    match file.try_lock() {
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => return Err(SessionFileError::InUse),
    }
    if file.metadata()?.len() > MAX_BYTES {
        return Err(SessionFileError::TooLarge);
    }
    let mut bytes = Vec::new();
    (&file).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let whole = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        SessionFileError::NotText(1 + whole.iter().filter(|byte| **byte == b'\n').count())
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64)?;
    }
    Ok((file, text))
}

/// The names of the sessions, the last written first, with when that was. Empty where there is no folder.
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
