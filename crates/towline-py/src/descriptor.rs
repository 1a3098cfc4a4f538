//! A file descriptor that is readable while there is news: an eventfd on Linux, a pipe elsewhere.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[derive(Debug)]
pub(crate) struct Descriptor {
    read: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: OwnedFd,
}

impl Descriptor {
    pub(crate) fn fileno(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl Descriptor {
    pub(crate) fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self { read: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    pub(crate) fn raise(&self) {
        // A full counter is as readable as one that was just increased.
        rustix::io::write(&self.read, &1_u64.to_ne_bytes()).ok();
    }

    pub(crate) fn lower(&self) {
        let mut count = [0; 8];
        rustix::io::read(&self.read, &mut count).ok();
    }
}

#[cfg(not(target_os = "linux"))]
impl Descriptor {
    pub(crate) fn new() -> std::io::Result<Self> {
        let (read, write) = rustix::pipe::pipe()?;
        for end in [&read, &write] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Self { read, write })
    }

    pub(crate) fn raise(&self) {
        rustix::io::write(&self.write, &[1]).ok();
    }

    pub(crate) fn lower(&self) {
        let mut bytes = [0; 16];
        while rustix::io::read(&self.read, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }
}
