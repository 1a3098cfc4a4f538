//! Where a user's own relay has its socket and its store.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use towline::relay::OwnRelay;

/// The place of this user's own relay: in `XDG_RUNTIME_DIR`, else in the folder for temporary files.
///
/// # Errors
/// When it cannot be made, or is not this user's alone.
pub fn own() -> io::Result<OwnRelay> {
    let runtime = set(std::env::var_os("XDG_RUNTIME_DIR")).map(PathBuf::from);
    OwnRelay::find(runtime.as_deref(), &std::env::temp_dir())
}

#[cfg(feature = "relay")]
/// The folder of the store: `towline/relay` in `XDG_STATE_HOME`, else in `~/.local/state`.
///
/// # Errors
/// When there is no home folder.
pub fn store_folder() -> io::Result<PathBuf> {
    let base = match set(std::env::var_os("XDG_STATE_HOME")) {
        Some(base) => PathBuf::from(base),
        None => {
            let home = set(std::env::var_os("HOME")).ok_or_else(|| {
                io::Error::other("HOME is not set, so there is no place for the store; --store names one")
            })?;
            PathBuf::from(home).join(".local/state")
        }
    };
    Ok(base.join("towline/relay"))
}

fn set(value: Option<OsString>) -> Option<OsString> {
    value.filter(|value| !value.is_empty())
}
