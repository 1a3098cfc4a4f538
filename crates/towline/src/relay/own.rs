//! The relay of this user: finds its socket, and starts it.
//!
//! The first program that needs the relay starts it, in its own session, so that neither Ctrl-C nor the end
//! of the terminal or the window reaches it. Two programs that need it at the same time start only one: a
//! lock file lets one of them check first.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use towline_core::endpoint::Endpoint;
use towline_core::error::ErrorKind;
use towline_core::span::Span;

use super::control::Control;

/// The file name of the socket.
const SOCKET: &str = "relay.sock";

/// An automatically started relay exits after this time without answers and clients.
const IDLE: &str = "1h";

/// The version of a relay that this program starts.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a relay may take to exit: its drain time plus a margin.
const END_TIME: Duration = Duration::from_secs(40);

/// How long a new relay may take until it listens.
const START_TIME: Duration = Duration::from_secs(20);

/// How often the program checks for it meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How often a relay that exits during the first contact is started again.
const TRIES: u32 = 3;

/// How much of the relay's last output an error repeats, in bytes.
const LAST_WORDS: usize = 2000;

/// The location of the relay, which only this user can access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRelay {
    folder: PathBuf,
}

/// Why a relay could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchError {
    /// What went wrong, for people.
    pub message: String,
    /// The last output of the relay.
    pub last_words: Option<String>,
}

impl LaunchError {
    fn new(what: impl fmt::Display) -> Self {
        Self { message: format!("the relay cannot be started: {what}"), last_words: None }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last_words {
            Some(words) => write!(f, "{}; it said: {words}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for LaunchError {}

impl OwnRelay {
    /// The location in the folder `towline` of `runtime` (the value of `XDG_RUNTIME_DIR`), else in a folder
    /// of this user in `temporary`. Creates the folder if needed.
    ///
    /// # Errors
    /// If the folder cannot be created, or other users can access it.
    pub fn find(runtime: Option<&Path>, temporary: &Path) -> io::Result<Self> {
        let folder = match runtime {
            Some(base) => base.join("towline"),
            None => temporary.join(format!("towline-{}", uid())),
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        check_is_ours(&folder)?;
        Ok(Self { folder })
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// Its address.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::unix(self.socket())
    }

    /// Whether a relay listens there.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn listens(&self) -> bool {
        tokio::net::UnixStream::connect(self.socket()).await.is_ok()
    }

    /// Makes sure that a relay answers there: starts `program`, which is `towline`, as a relay unless one
    /// runs. Replaces a relay of another version, unless answers run there. `control` must talk to this
    /// location.
    ///
    /// # Cancel safety
    /// If the future is dropped, a relay may or may not have been started.
    ///
    /// # Errors
    /// No relay can be started. The first call to a running relay reports other problems.
    pub async fn ensure(&self, program: &Path, control: &Control) -> Result<(), LaunchError> {
        for _ in 0..TRIES {
            let started = self.ensure_listens(program).await?;
            match (control.version().await.map_err(|error| error.kind), started) {
                // A relay listens before it opens its store, which another relay may have locked.
                (Err(ErrorKind::Connect | ErrorKind::ConnectionLost), Some(child)) => {
                    return Err(self.end_of(child).await);
                }
                // A relay that is shutting down still accepts connections.
                (Err(ErrorKind::Connect | ErrorKind::ConnectionLost), None) => {}
                (Ok(known), None) if known.version != VERSION => {
                    // A relay with running answers is left alone until it is idle.
                    if control.shutdown_if_idle().await.is_err() || !self.is_gone().await {
                        break;
                    }
                }
                (Ok(_) | Err(_), _) => break,
            }
        }
        Ok(())
    }

    /// Waits until no relay listens there, for at most the time that a relay may take to exit; `false` if one
    /// still does.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn is_gone(&self) -> bool {
        let until = Instant::now() + END_TIME;
        while self.listens().await {
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        true
    }

    /// The reason why a relay that was started does not answer.
    async fn end_of(&self, mut child: Child) -> LaunchError {
        let until = Instant::now() + START_TIME;
        while Instant::now() < until {
            match child.try_wait() {
                Ok(None) => tokio::time::sleep(POLL_INTERVAL).await,
                Ok(Some(status)) => {
                    let ended = LaunchError::new(format!("it ended at once, with {status}"));
                    return with_last_words(ended, &self.log());
                }
                Err(error) => return LaunchError::new(error),
            }
        }
        with_last_words(LaunchError::new("it listens but does not answer"), &self.log())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("relay.log")
    }

    /// Starts a relay if none listens; returns the process if it started one.
    async fn ensure_listens(&self, program: &Path) -> Result<Option<Child>, LaunchError> {
        if self.listens().await {
            return Ok(None);
        }
        let path = self.folder.join("relay.lock");
        let locking = tokio::task::spawn_blocking(move || {
            let lock = File::options().create(true).append(true).open(path)?;
            lock.lock()?;
            Ok::<File, io::Error>(lock)
        });
        // Held until the relay listens, so that a process that waits for the lock finds the relay.
        let _lock = locking.await.map_err(LaunchError::new)?.map_err(LaunchError::new)?;
        if self.listens().await {
            return Ok(None);
        }
        let log = self.log();
        let shown = program.display();
        let mut child =
            spawn(&log, program).map_err(|error| LaunchError::new(format!("{shown}: {error}")))?;
        let until = Instant::now() + START_TIME;
        while !self.listens().await {
            if child.try_wait().map_err(LaunchError::new)?.is_some() {
                return Err(self.end_of(child).await);
            }
            if Instant::now() > until {
                let late = LaunchError::new(format!("it does not listen after {}", Span(START_TIME)));
                return Err(with_last_words(late, &log));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(Some(child))
    }
}

/// Starts the program as a relay, in its own session.
fn spawn(log: &Path, program: &Path) -> io::Result<Child> {
    let log = File::options().create(true).write(true).truncate(true).mode(0o600).open(log)?;
    Command::new(program)
        .args(["begin-session", "relay", "--exit-when-idle", IDLE])
        // Requests name their servers, and contain their keys.
        .env_remove("OLLAMA_API_KEY")
        // It must not keep a folder from being removed.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn with_last_words(error: LaunchError, log: &Path) -> LaunchError {
    let text = std::fs::read(log).unwrap_or_default();
    let last = &text[text.len().saturating_sub(LAST_WORDS)..];
    let words = String::from_utf8_lossy(last).trim().to_owned();
    LaunchError { last_words: (!words.is_empty()).then_some(words), ..error }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// If the folder belonged to another user, or if others could enter it, they could replace our socket with
/// theirs.
fn check_is_ours(folder: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(folder)?;
    let is_private = found.permissions().mode() & 0o077 == 0;
    if found.is_dir() && found.uid() == uid() && is_private {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is not a folder that only this user can open; remove it, or set XDG_RUNTIME_DIR",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_this_users_alone() {
        let base = tempfile::tempdir().unwrap();
        let own = OwnRelay::find(Some(base.path()), Path::new("/nowhere")).unwrap();
        assert_eq!(own.socket(), base.path().join("towline/relay.sock"));
        let shared = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(base.path().join("towline"), shared).unwrap();
        let refused = OwnRelay::find(Some(base.path()), Path::new("/nowhere")).unwrap_err();
        assert!(refused.to_string().contains("not a folder that only this user can open"), "{refused}");
        let own = OwnRelay::find(None, base.path()).unwrap();
        assert_eq!(own.socket(), base.path().join(format!("towline-{}/relay.sock", uid())));
    }
}
