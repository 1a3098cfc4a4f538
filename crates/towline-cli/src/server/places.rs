//! The user's paths: the history, the socket of the user's own relay, and its store.

use std::io;
use std::path::PathBuf;

use towline::relay::OwnRelay;

use towline_app::settings::folders;

/// The history; `None` if there is no home folder.
pub fn history() -> Option<PathBuf> {
    Some(folders::data()?.join("history.db"))
}

/// The place of this user's own relay: in `XDG_RUNTIME_DIR`, else in the folder for temporary files.
///
/// # Errors
/// If it cannot be created, or is not private to this user.
pub fn own() -> io::Result<OwnRelay> {
    OwnRelay::find(folders::runtime().as_deref(), &std::env::temp_dir())
}

#[cfg(feature = "relay")]
/// The settings of the user's own relay, if there are any: `relay.toml` next to the prompt's configuration.
pub fn settings() -> Option<PathBuf> {
    let file = folders::config()?.join("relay.toml");
    file.is_file().then_some(file)
}

#[cfg(feature = "relay")]
/// The folder of the store: `towline/relay` in `XDG_STATE_HOME`, else in `~/.local/state`.
///
/// # Errors
/// If there is no home folder.
pub fn store_folder() -> io::Result<PathBuf> {
    let state = folders::state().ok_or_else(|| {
        io::Error::other("there is no home folder, so there is no folder for the store; --store names one")
    })?;
    Ok(state.join("relay"))
}
