//! `towline gui`: this process becomes the window.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::args::GuiArgs;
use crate::exit::failure::{Complaint, Failure};

/// The window's program.
const PROGRAM: &str = "towline-gui";

/// Becomes the window. Returns only on failure.
pub fn run(args: &GuiArgs) -> Failure {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM));
    let mut window = Command::new(&program);
    if let Some(host) = &args.host {
        window.args(["--host", host]);
    }
    let error = window.exec();
    let complaint = Complaint::new(format!("the window cannot be opened: {}: {error}", program.display()));
    Failure::Local(complaint.hint("install it beside this program: cargo install --path crates/towline-gui"))
}
