//! The terminal as a device: raw mode that is always undone, reads and writes that never block.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::ThreadId;

use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, Termios};

use super::layout::Size;

/// Makes the terminal mark pasted text.
const ENTER: &[u8] = b"\x1b[?2004h";
/// Undoes every mode that a frame may have set, wherever the frame was cut.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?2004l";

/// The state for [`restore`]; a process has one terminal.
#[derive(Debug)]
struct Raw {
    device: File,
    before: Termios,
    thread: ThreadId,
}

static RAW: Mutex<Option<Raw>> = Mutex::new(None);
static PANIC_HOOK: Once = Once::new();

fn raw() -> MutexGuard<'static, Option<Raw>> {
    RAW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the terminal, from anywhere in the program; does nothing if it is not in raw mode. Call it before
/// `process::exit`, which runs no destructors.
pub fn restore() {
    if let Some(Raw { device, before, .. }) = raw().take() {
        // If the terminal is gone, nothing can be done.
        let _unwritten = (&device).write(LEAVE);
        let _unset = termios::tcsetattr(&device, OptionalActions::Now, &before);
    }
}

/// The terminal, in raw mode unless it was restored. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Tty {
    device: File,
}

impl Tty {
    /// Opens the terminal of standard input and puts it into raw mode.
    ///
    /// It is opened again, because non-blocking mode is a property of the open file, which standard input
    /// shares with the shell.
    pub fn open() -> io::Result<Self> {
        let name = termios::ttyname(rustix::stdio::stdin(), vec![])?;
        let open = |path: &std::ffi::OsStr| {
            let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
            let flags = i32::try_from(flags.bits()).unwrap_or(0);
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
        };
        let device =
            open(std::ffi::OsStr::from_bytes(name.as_bytes())).or_else(|_| open("/dev/tty".as_ref()))?;
        let tty = Self { device };
        tty.enter_raw()?;
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let is_ours = raw().as_ref().is_some_and(|raw| raw.thread == std::thread::current().id());
                if is_ours {
                    restore();
                }
                before(panic);
            }));
        });
        Ok(tty)
    }

    /// Puts the terminal into raw mode from any mode.
    pub fn enter_raw(&self) -> io::Result<()> {
        let mut state = raw();
        let before = match state.take() {
            Some(raw) => raw.before,
            None => termios::tcgetattr(&self.device)?,
        };
        let mut modes = before.clone();
        modes.make_raw();
        termios::tcsetattr(&self.device, OptionalActions::Now, &modes)?;
        let thread = std::thread::current().id();
        *state = Some(Raw { device: self.device.try_clone()?, before, thread });
        drop(state);
        (&self.device).write_all(ENTER)
    }

    /// Columns and rows; 80 × 24 if the terminal does not know.
    pub fn size(&self) -> Size {
        match termios::tcgetwinsize(&self.device) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
            }
            Ok(_) | Err(_) => Size { columns: 80, rows: 24 },
        }
    }

    /// Reads the available bytes. `None` if there are none; 0 bytes if the terminal is gone.
    pub fn read(&self, bytes: &mut [u8]) -> Option<usize> {
        loop {
            match (&self.device).read(bytes) {
                Ok(read) => return Some(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Some(0),
            }
        }
    }

    /// Writes as much as the terminal accepts now, and removes it from `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut written = 0;
        let end = loop {
            if written == bytes.len() {
                break Ok(());
            }
            match (&self.device).write(&bytes[written..]) {
                Ok(0) => break Ok(()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        bytes.drain(..written);
        end
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}
