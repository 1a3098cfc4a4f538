//! This user's folders, after the XDG base directory specification.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy as _, Xdg};

/// Our folder among the configurations. `None` where there is no home folder, as everywhere here.
pub fn config() -> Option<PathBuf> {
    Some(base()?.config_dir().join("towline"))
}

/// Our folder among what is kept.
pub fn data() -> Option<PathBuf> {
    Some(base()?.data_dir().join("towline"))
}

/// Our folder among what only this machine needs.
pub fn state() -> Option<PathBuf> {
    Some(base()?.state_dir()?.join("towline"))
}

/// The folder for sockets; `None` where `XDG_RUNTIME_DIR` names none.
pub fn runtime() -> Option<PathBuf> {
    base()?.runtime_dir()
}

/// A path as it is typed, with `~` for the home folder.
pub fn from_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        (_, _) => PathBuf::from(path),
    }
}

fn base() -> Option<Xdg> {
    Xdg::new().ok()
}
