//! This user's folders, by the XDG base directory specification.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy as _, Xdg};

/// The folder for configuration. `None` if there is no home folder, as in all functions here.
pub fn config() -> Option<PathBuf> {
    Some(base()?.config_dir().join("towline"))
}

/// The folder for data.
pub fn data() -> Option<PathBuf> {
    Some(base()?.data_dir().join("towline"))
}

/// The folder for state.
pub fn state() -> Option<PathBuf> {
    Some(base()?.state_dir()?.join("towline"))
}

/// The folder for sockets; `None` if `XDG_RUNTIME_DIR` is not set.
pub fn runtime() -> Option<PathBuf> {
    base()?.runtime_dir()
}

/// A path as typed, with `~` for the home folder.
pub fn from_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        (_, _) => PathBuf::from(path),
    }
}

fn base() -> Option<Xdg> {
    Xdg::new().ok()
}
