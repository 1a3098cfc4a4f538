//! Where a user's own relay has its socket and its store.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The socket's file in the runtime folder.
pub const SOCKET: &str = "relay.sock";

/// The folder for sockets: `towline` in `XDG_RUNTIME_DIR`, else one of this user in the folder for temporary files.
/// Made if needed.
///
/// # Errors
/// When it cannot be made, or is not this user's alone.
pub fn runtime_folder() -> io::Result<PathBuf> {
    let folder = match set(std::env::var_os("XDG_RUNTIME_DIR")) {
        Some(base) => PathBuf::from(base).join("towline"),
        None => std::env::temp_dir().join(format!("towline-{}", uid())),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    check_is_ours(&folder)?;
    Ok(folder)
}

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

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A folder of another user, or one that others can enter, would let them put a socket of theirs in our place.
fn check_is_ours(folder: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(folder)?;
    let is_private = found.permissions().mode() & 0o077 == 0;
    if found.is_dir() && found.uid() == uid() && is_private {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is not a folder of this user alone; remove it, or set XDG_RUNTIME_DIR",
        folder.display()
    )))
}
