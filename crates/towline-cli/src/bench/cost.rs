//! What this program itself spends: processor time and memory.

use std::time::Duration;

/// What was spent up to a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Processor time, of the user and the system.
    pub cpu: Option<Duration>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Cost {
    /// What was spent until now.
    pub fn now() -> Self {
        Self { cpu: cpu(), memory_bytes: memory_bytes() }
    }
}

#[cfg(unix)]
fn cpu() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let time = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        Some(Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec()).ok()?))
    };
    Some(time(usage.user_time())? + time(usage.system_time())?)
}

#[cfg(not(unix))]
fn cpu() -> Option<Duration> {
    None
}

/// Where the system says it (Linux).
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
