//! The environment and the configuration of this process.

use std::path::Path;

use towline_app::servers::Environment;
use towline_app::settings::{self, Config};

use crate::exit::failure::Failure;

/// Reads the environment of this process, once and only here.
pub fn read() -> Environment {
    // A program built without the relay cannot run as one.
    let program = std::env::current_exe().ok().filter(|_| cfg!(feature = "relay"));
    let temporary = std::env::temp_dir();
    Environment { program, temporary, ..Environment::read(|name| std::env::var_os(name)) }
}

/// The configuration: the file that is named, else what `TOWLINE_CONFIG` or the user's folder has, if anything; and what to
/// warn about.
///
/// # Errors
/// When the file that is named is not there.
pub fn config(named: Option<&Path>) -> Result<(Config, Vec<String>), Failure> {
    if let Some(path) = named.filter(|path| !path.exists()) {
        return Err(Failure::usage_with(
            format!("there is no configuration file {}", path.display()),
            "docs/config.example.toml shows every key",
        ));
    }
    let path = named.map(Path::to_owned).or_else(|| settings::path(std::env::var_os("TOWLINE_CONFIG")));
    Ok(path.map(|path| settings::read(&path)).unwrap_or_default())
}
