//! The demonstration of the terminal layer (`examples/term_demo.rs`), on a terminal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::pty::Pty;

/// Runs the program with arguments, until its prompt is there.
pub fn start(arguments: &str) -> Pty {
    let mut pty = Pty::session(&format!("exec {} {arguments}", path().display()));
    pty.expect("demo>");
    pty
}

/// The program, built once. `cargo test` builds it, but not for a single test binary.
pub fn path() -> &'static Path {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let demo = profile.join("examples/term_demo");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = newest(&root.join("src/term")).max(newest(&root.join("examples")));
        if changed(&demo).is_none_or(|built| built < sources) {
            build(profile);
        }
        demo
    })
}

fn build(profile: &Path) {
    let name = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "towline-cli", "--example", "term_demo", "--profile", name]);
    cargo.arg("--target-dir").arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    // The variables that cargo sets for a test would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    assert!(cargo.status().unwrap().success());
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The modification time of the newest file in a folder.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let times = entries.map(|path| if path.is_dir() { newest(&path) } else { changed(&path).unwrap() });
    times.max().unwrap()
}
