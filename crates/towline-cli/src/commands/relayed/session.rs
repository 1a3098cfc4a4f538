//! The session in which a relay starts.

use std::process::Command;

use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};

/// Becomes this program with other arguments, in a session without a terminal.
pub fn begin_session(arguments: &[String]) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt as _;
    let failed = |error: std::io::Error| {
        Failure::Local(Complaint::new(format!("a session cannot be started: {error}")))
    };
    // It fails for the leader of a process group, which was started in the foreground: then there is no
    // session to leave.
    let _already_first = rustix::process::setsid();
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(Command::new(program).args(arguments).exec()))
}
