//! Signals that can be polled together with keys.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use signal_hook::SigId;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

/// Time limit for noticing that a stopped process was continued.
const RESUME_TIMEOUT: Duration = Duration::from_secs(1);

/// The signals since the last call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceivedSignals {
    /// From outside, or without raw mode; in raw mode Ctrl-C is a key.
    pub interrupt: bool,
    pub terminate: bool,
    pub stop: bool,
    pub resumed: bool,
    pub resized: bool,
}

#[derive(Debug)]
pub struct Signals {
    pipe: UnixStream,
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    resized: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        let (pipe, write) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let mut signals = Self {
            pipe,
            interrupt: Arc::default(),
            terminate: Arc::default(),
            stop: Arc::default(),
            resumed: Arc::default(),
            resized: Arc::default(),
            registered: vec![],
        };
        for (signal, flag) in [
            (SIGINT, &signals.interrupt),
            (SIGTERM, &signals.terminate),
            (SIGQUIT, &signals.terminate),
            (SIGHUP, &signals.terminate),
            (SIGTSTP, &signals.stop),
            (SIGCONT, &signals.resumed),
            (SIGWINCH, &signals.resized),
        ] {
            signals.registered.push(signal_hook::flag::register(signal, Arc::clone(flag))?);
            signals.registered.push(signal_hook::low_level::pipe::register(signal, write.try_clone()?)?);
        }
        Ok(signals)
    }

    /// Returns when the process was continued: the signal that stops it may reach another thread first.
    pub fn wait_for_resume(&mut self) {
        let ends = Instant::now() + RESUME_TIMEOUT;
        while !self.take().resumed && Instant::now() < ends {
            let mut watched = [PollFd::new(&self.pipe, PollFlags::IN)];
            if super::terminal::poll(&mut watched, Some(ends)).is_err() {
                return;
            }
        }
    }

    /// Discards a Ctrl-C that was meant for another program, which had the terminal.
    pub fn forget_interrupt(&self) {
        self.interrupt.store(false, Ordering::SeqCst);
    }

    /// Takes the signals since the last call.
    pub fn take(&mut self) -> ReceivedSignals {
        let mut bytes = [0; 64];
        while matches!(self.pipe.read(&mut bytes), Ok(read) if read > 0) {}
        ReceivedSignals {
            interrupt: self.interrupt.swap(false, Ordering::SeqCst),
            terminate: self.terminate.swap(false, Ordering::SeqCst),
            stop: self.stop.swap(false, Ordering::SeqCst),
            resumed: self.resumed.swap(false, Ordering::SeqCst),
            resized: self.resized.swap(false, Ordering::SeqCst),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
