//! Starting the relay of this user.
//!
//! The first command that needs it starts it, in a session of its own, so that neither Ctrl-C nor the end of the terminal
//! reaches it. Two commands that need it at once start one: a lock file lets one of them look first.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::failure::{Complaint, Failure};

/// A relay that was started by itself ends when nothing ran and nobody came for so long.
const IDLE: &str = "1h";

/// How long the relay may take to listen.
const START_TIME: Duration = Duration::from_secs(20);

/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// So much of the relay's last words is repeated, in bytes.
const LAST_WORDS: usize = 2000;

/// Whether a relay listens there.
pub async fn listens(socket: &Path) -> bool {
    tokio::net::UnixStream::connect(socket).await.is_ok()
}

/// Starts the relay unless it listens: in front of `upstream`, else of what it finds on this machine.
pub async fn ensure(folder: &Path, socket: &Path, upstream: Option<&str>) -> Result<(), Failure> {
    if listens(socket).await {
        return Ok(());
    }
    let failed =
        |what: String| Failure::Local(Complaint::new(format!("the relay cannot be started: {what}")));
    let path = folder.join("relay.lock");
    let locking = tokio::task::spawn_blocking(move || {
        let lock = File::options().create(true).append(true).open(path)?;
        lock.lock()?;
        Ok::<File, std::io::Error>(lock)
    });
    // Held until the relay listens, so that whoever waits for it finds that.
    let _lock = locking
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    if listens(socket).await {
        return Ok(());
    }
    let log = folder.join("relay.log");
    let mut child = spawn(&log, upstream).map_err(|error| failed(error.to_string()))?;
    let until = Instant::now() + START_TIME;
    while !listens(socket).await {
        if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
            let complaint =
                Complaint::new(format!("the relay cannot be started: it ended at once, with {status}"));
            return Err(Failure::Local(with_last_words(complaint, &log)));
        }
        if Instant::now() > until {
            let complaint = Complaint::new(format!("the relay does not listen after {START_TIME:?}"));
            return Err(Failure::Local(with_last_words(complaint, &log)));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Starts this program as a relay, through [`begin_session`].
fn spawn(log: &Path, upstream: Option<&str>) -> std::io::Result<Child> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let log = File::options().create(true).write(true).truncate(true).mode(0o600).open(log)?;
    Command::new(std::env::current_exe()?)
        .args(["begin-session", "relay", "--exit-when-idle", IDLE])
        .args(upstream.into_iter().flat_map(|url| ["--upstream".to_owned(), url.to_owned()]))
        // It must not keep a folder from being removed.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Becomes this program with other arguments, in a session without a terminal.
pub fn begin_session(arguments: &[String]) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt as _;
    let failed =
        |error: std::io::Error| Failure::Local(Complaint::new(format!("no session can be begun: {error}")));
    // It fails for the first process of a group, which is one that somebody watches: then there is nothing to leave.
    let _already_first = rustix::process::setsid();
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(Command::new(program).args(arguments).exec()))
}

fn with_last_words(complaint: Complaint, log: &Path) -> Complaint {
    let text = std::fs::read(log).unwrap_or_default();
    let last = &text[text.len().saturating_sub(LAST_WORDS)..];
    let said = String::from_utf8_lossy(last).trim().to_owned();
    if said.is_empty() { complaint } else { complaint.hint(format!("it said: {said}")) }
}
