//! `towline man`: the manual pages, from the same source as `--help`.

use crate::args::{self, ManArgs};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};

/// Writes a page for each command: `towline.1`, `towline-run.1`, …
pub fn run(args: &ManArgs) -> Result<Exit, Failure> {
    clap_mangen::generate_to(args::command(), &args.folder).map_err(|error| {
        let message = format!("the manual pages cannot be written to {}: {error}", args.folder.display());
        Failure::Local(Complaint::new(message))
    })?;
    Ok(Exit::Completed)
}
