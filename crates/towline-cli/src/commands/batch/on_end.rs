//! Reports to others: a command for each result, and a notification for the user at the end.

use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use towline_app::text::safe;

use crate::output;

/// Runs a shell command with fields in its environment and a line on its standard input; returns its output.
///
/// # Errors
/// If it cannot be run.
pub async fn run(
    command: String,
    fields: Vec<(&'static str, String)>,
    line: String,
) -> Result<Output, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Environment variables cannot contain a NUL.
    shell.envs(fields.into_iter().map(|(name, value)| (name, value.replace('\0', ""))));
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    let stdin = child.stdin.take();
    let writing = async {
        if let Some(mut stdin) = stdin {
            // The command may not read it.
            drop(stdin.write_all(line.as_bytes()).await);
        }
    };
    let ((), output) = tokio::join!(writing, child.wait_with_output());
    output.map_err(|error| error.to_string())
}

/// Rings the bell and shows a notification through the terminal and the desktop.
pub async fn notify(message: &str, has_screen: bool) {
    if output::stderr_is_terminal() {
        output::stderr(&rung(message, std::env::var_os("TMUX").is_some_and(|socket| !socket.is_empty())));
    }
    if has_screen && !cfg!(target_os = "macos") {
        // Without this program, no desktop can show it.
        let sent = Command::new("notify-send")
            .args(["--app-name=towline", "towline", message])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(sent.await);
    }
}

/// The bell, and the two escape sequences for notifications. tmux passes them on if that is allowed.
fn rung(message: &str, in_tmux: bool) -> String {
    let message: String = safe::line(message).replace(';', ",");
    let sequences = [format!("\x1b]9;{message}\x1b\\"), format!("\x1b]777;notify;towline;{message}\x1b\\")];
    let through = |sequence: String| match in_tmux {
        true => format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")),
        false => sequence,
    };
    "\x07".to_owned() + &sequences.map(through).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_no_way_into_the_terminal() {
        let rung = rung("a;b\x1b]0;x\x07", false);
        assert_eq!(rung.matches('\x1b').count(), 4, "{rung:?}");
        assert!(rung.starts_with("\x07\x1b]9;a,b^["), "{rung:?}");
    }

    #[test]
    fn tmux_hands_it_on() {
        assert!(rung("a", true).contains("\x1bPtmux;\x1b\x1b]9;a\x1b\x1b\\\x1b\\"));
    }
}
