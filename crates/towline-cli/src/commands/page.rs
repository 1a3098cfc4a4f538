//! `towline page`: the relay's page, in the browser.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use towline::client::Scheme;
use towline::relay::RelayConfig;

use super::{Context, asked};
use crate::args::PageArgs;
use crate::commands::relayed::reach;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::{self, Out};
use crate::server::UNARY_TIMEOUTS;
use crate::server::places;

/// The desktop's program that opens web pages in the user's browser.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens the page, or prints its link on request or if no program can open it.
pub async fn run(args: &PageArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
    let endpoint = &reached.place.endpoint;
    let link = if matches!(endpoint.scheme, Scheme::Unix(_)) {
        asked(reached.control.page(), &mut context).await?
    } else {
        format!("{endpoint}/#{}", asked(reached.control.link("browser"), &mut context).await?)
    };
    if !args.print && context.environment.has_screen {
        match open(&link) {
            Ok(()) => {
                output::note("opening the page in the browser");
                return Ok(Exit::Completed);
            }
            Err(error) => output::note(&format!("no browser can be opened: {error}")),
        }
    }
    Out::new().line(&link)?;
    Ok(Exit::Completed)
}

/// Passes the link to the browser in a file that only this user can read, because all users can see a
/// program's arguments.
fn open(link: &str) -> io::Result<()> {
    let file = handed(link)?;
    let mut opener = Command::new(OPENER);
    opener.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = opener.status().map_err(|error| io::Error::other(format!("{OPENER}: {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{OPENER}: {status}"))) }
}

fn handed(link: &str) -> io::Result<PathBuf> {
    let path = places::own()?.socket().with_file_name("page.html");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    writeln!(
        file,
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={link}\"><title>Towline</title><a href=\"{link}\">Towline</a>"
    )?;
    Ok(path)
}
