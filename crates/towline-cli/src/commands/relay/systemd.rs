//! Notifications to systemd (sd_notify), and the sockets that it passes (LISTEN_FDS). Without systemd, or if
//! it did not ask for notifications, nothing happens.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sd_notify::NotifyState;

/// The sockets that systemd opened for this process.
///
/// # Errors
/// If its variables are invalid.
pub fn sockets() -> Result<Vec<Arc<OwnedFd>>, String> {
    static PASSED: OnceLock<Result<Vec<Arc<OwnedFd>>, String>> = OnceLock::new();
    let taken = || {
        let passed =
            sd_notify::listen_fds().map_err(|error| format!("LISTEN_FDS and LISTEN_PID: {error}"))?;
        #[expect(
            unsafe_code,
            reason = "systemd passes on numbers; LISTEN_PID says that they are this process's"
        )]
        // SAFETY: systemd passes them open, to this process only, and they are taken once.
        Ok(passed.map(|socket| Arc::new(unsafe { OwnedFd::from_raw_fd(socket) })).collect())
    };
    PASSED.get_or_init(taken).clone()
}

/// It listens.
pub fn is_ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports the shutdown: the relay drains for at most this time.
pub fn is_stopping(drain: Duration) {
    let drain_us = u32::try_from(drain.as_micros()).unwrap_or(u32::MAX);
    notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(drain_us)]);
}

/// Reports a reload, after which the relay is ready again.
pub fn reloads() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

/// Pings the watchdog, at half of its interval, while the runtime is alive. Never returns.
pub async fn watchdog() {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(every / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(state: &[NotifyState<'_>]) {
    // systemd restarts a silent relay; there is nothing else to do here.
    drop(sd_notify::notify(state));
}
