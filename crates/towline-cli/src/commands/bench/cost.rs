//! The costs of this program itself: CPU time and memory.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The costs up to a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// CPU time, user and system.
    pub cpu: Option<Duration>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Cost {
    /// The costs until now.
    pub fn now() -> Self {
        Self { cpu: cpu(), memory_bytes: memory_bytes() }
    }
}

fn cpu() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

/// If the operating system reports it (Linux).
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
