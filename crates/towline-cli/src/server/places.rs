//! Where a user's things are: the history, the own relay's socket and its store.

use std::io;
use std::path::PathBuf;

use towline::relay::OwnRelay;

use towline_app::settings::folders;

/// The history; `None` where there is no home folder.
pub fn history() -> Option<PathBuf> {
    Some(folders::data()?.join("history.db"))
}

/// The place of this user's own relay: in `XDG_RUNTIME_DIR`, else in the folder for temporary files.
///
/// # Errors
/// When it cannot be made, or is not this user's alone.
pub fn own() -> io::Result<OwnRelay> {
    OwnRelay::find(folders::runtime().as_deref(), &std::env::temp_dir())
}

#[cfg(feature = "relay")]
/// The settings of a user's own relay, where there are any: `relay.toml` beside the prompt's configuration.
pub fn settings() -> Option<PathBuf> {
    let file = folders::config()?.join("relay.toml");
    file.is_file().then_some(file)
}

#[cfg(feature = "relay")]
/// The folder of the store: `towline/relay` in `XDG_STATE_HOME`, else in `~/.local/state`.
///
/// # Errors
/// When there is no home folder.
pub fn store_folder() -> io::Result<PathBuf> {
    let state = folders::state().ok_or_else(|| {
        io::Error::other("there is no home folder, so there is no place for the store; --store names one")
    })?;
    Ok(state.join("relay"))
}
