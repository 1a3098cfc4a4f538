//! Wakes a foreground when something changed, at most once until it reads the changes.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{EngineError, lock};

/// The wake-up of the foreground.
#[derive(Default)]
pub(super) struct Wake {
    descriptor: OnceLock<Descriptor>,
    hook: OnceLock<Arc<Doorbell>>,
}

impl Wake {
    /// Wakes the foreground; not called again until it reads the changes. Never blocks.
    pub(super) fn signal(&self) {
        if let Some(descriptor) = self.descriptor.get() {
            descriptor.raise();
        }
        if let Some(bell) = self.hook.get() {
            bell.ring();
        }
    }

    /// The foreground is about to read the changes.
    pub(super) fn quiet(&self) {
        if let Some(descriptor) = self.descriptor.get() {
            descriptor.lower();
        }
    }

    /// A descriptor that is readable while there are changes, and at first, because there may be changes from
    /// before it existed.
    pub(super) fn descriptor(&self) -> Result<BorrowedFd<'_>, EngineError> {
        if self.descriptor.get().is_none() {
            let descriptor =
                Descriptor::new().map_err(|error| EngineError::NoResources(error.to_string()))?;
            self.descriptor.get_or_init(|| descriptor).raise();
        }
        match self.descriptor.get() {
            Some(descriptor) => Ok(descriptor.read.as_fd()),
            None => Err(EngineError::NoResources("no descriptor".into())),
        }
    }

    /// Calls `hook` on its own thread at each signal, so that a slow hook delays only itself; also once at
    /// first, for earlier changes.
    pub(super) fn start_hook(&self, hook: Box<dyn Fn() + Send>) -> Result<JoinHandle<()>, EngineError> {
        let bell = Arc::new(Doorbell::default());
        let thread_bell = Arc::clone(&bell);
        let thread = std::thread::Builder::new()
            .name("towline-waker".into())
            .spawn(move || {
                while thread_bell.wait() {
                    // A panic ends only this call; the next signal calls the hook again.
                    drop(catch_unwind(AssertUnwindSafe(&hook)));
                }
                drop(catch_unwind(AssertUnwindSafe(move || drop(hook))));
                thread_bell.set_exited();
            })
            .map_err(|error| EngineError::NoResources(error.to_string()))?;
        self.hook.get_or_init(|| bell).ring();
        Ok(thread)
    }

    /// Ends the hook's thread, after the current call if there is one.
    pub(super) fn close(&self) {
        if let Some(bell) = self.hook.get() {
            bell.close();
        }
    }

    /// Waits until the hook's thread is about to end; `false` if the hook does not return in time.
    pub(super) fn wait_closed(&self, time: Duration) -> bool {
        self.hook.get().is_none_or(|bell| bell.wait_exited(time))
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}

/// The bell that the hook's thread waits for.
#[derive(Default)]
struct Doorbell {
    state: Mutex<Bell>,
    rung: Condvar,
}

#[derive(Default)]
struct Bell {
    rung: bool,
    closed: bool,
    /// The hook is gone, and no thread waits for a ring.
    exited: bool,
}

impl Doorbell {
    fn ring(&self) {
        lock(&self.state).rung = true;
        self.rung.notify_all();
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.rung.notify_all();
    }

    fn set_exited(&self) {
        lock(&self.state).exited = true;
        self.rung.notify_all();
    }

    fn wait_exited(&self, time: Duration) -> bool {
        let waited = self.rung.wait_timeout_while(lock(&self.state), time, |bell| !bell.exited);
        waited.unwrap_or_else(PoisonError::into_inner).0.exited
    }

    /// Waits for a ring; `false` if there will be no more.
    fn wait(&self) -> bool {
        let mut bell = lock(&self.state);
        while !bell.rung && !bell.closed {
            bell = self.rung.wait(bell).unwrap_or_else(PoisonError::into_inner);
        }
        bell.rung = false;
        !bell.closed
    }
}

/// An eventfd on Linux, a pipe elsewhere.
struct Descriptor {
    read: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Descriptor {
    fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self { read: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    fn raise(&self) {
        // A full counter is as readable as one that was just incremented.
        rustix::io::write(&self.read, &1_u64.to_ne_bytes()).ok();
    }

    fn lower(&self) {
        let mut count = [0; 8];
        rustix::io::read(&self.read, &mut count).ok();
    }
}

#[cfg(not(target_os = "linux"))]
impl Descriptor {
    fn new() -> std::io::Result<Self> {
        let (read, write) = rustix::pipe::pipe()?;
        for end in [&read, &write] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Self { read, write })
    }

    fn raise(&self) {
        rustix::io::write(&self.write, &[1]).ok();
    }

    fn lower(&self) {
        let mut bytes = [0; 16];
        while rustix::io::read(&self.read, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }
}
