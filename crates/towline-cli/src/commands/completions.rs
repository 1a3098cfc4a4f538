//! `towline completions`.

use crate::args::CompletionsArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::Out;

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::command(), "towline", &mut script);
    Out::new().write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Completed)
}
