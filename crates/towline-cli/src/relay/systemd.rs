//! What systemd is told of the relay (sd_notify). Without systemd, or where it did not ask, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// It listens.
pub fn is_ready() {
    tell(&[NotifyState::Ready]);
}

/// It takes no new requests and lets answers end, for at most so long.
pub fn is_stopping(drain: Duration) {
    let drain_us = u32::try_from(drain.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(drain_us)]);
}

/// It reads its configuration again, and is ready afterwards.
pub fn reloads() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Tells the watchdog that the runtime it is polled on is alive, at half of its time. Never ready.
pub async fn watchdog() {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(every / 2);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // It restarts a relay that it hears nothing of; there is nothing else to do here.
    drop(sd_notify::notify(state));
}
