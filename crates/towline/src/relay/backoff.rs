//! The wait before the next attempt.

use std::time::Duration;

use tokio::time::Instant;
use towline_core::error::Error;
use towline_core::span::Span;

use crate::via::Reconnect;

/// The attempts to reach a relay again.
#[derive(Debug)]
pub(super) struct Backoff {
    config: Reconnect,
    tries: u32,
    /// When the relay last responded.
    reached: Instant,
}

impl Backoff {
    pub(super) fn new(config: Reconnect) -> Self {
        Self { config, tries: 0, reached: Instant::now() }
    }

    /// The relay responded.
    pub(super) fn reached(&mut self) {
        self.reached = Instant::now();
    }

    /// The request succeeded: after the next failure, the waits start from the beginning.
    pub(super) fn succeeded(&mut self) {
        self.tries = 0;
        self.reached();
    }

    /// Waits before another attempt after `error`.
    ///
    /// # Cancel safety
    /// Dropping the future counts the attempt.
    ///
    /// # Errors
    /// `error` itself, once the relay has been out of reach for too long.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        let wait = self.next(error.retry_after.unwrap_or_default());
        let Reconnect { give_up_after, .. } = self.config;
        if self.reached.elapsed() + wait > give_up_after {
            let message = format!(
                "the relay was out of reach for {}; it is not known whether the job still runs there. The last attempt: {}",
                Span(give_up_after),
                error.message
            );
            return Err(Error { message, ..error });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn next(&mut self, asked: Duration) -> Duration {
        let Reconnect { first_wait, max_wait, .. } = self.config;
        let nominal = first_wait.saturating_mul(1 << self.tries.min(16)).min(max_wait);
        self.tries = self.tries.saturating_add(1);
        nominal.mul_f64(0.5 + fastrand::f64() / 2.0).max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_core::error::{ErrorKind, Fault};

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_start_again_after_success() {
        let config = Reconnect { first_wait: 50 * MS, max_wait: 400 * MS, ..Reconnect::default() };
        let mut backoff = Backoff::new(config);
        for nominal in [50, 100, 200, 400, 400, 400] {
            let wait = backoff.next(Duration::ZERO);
            assert!((nominal * MS / 2..=nominal * MS).contains(&wait), "{nominal}: {wait:?}");
        }
        backoff.succeeded();
        assert!(backoff.next(Duration::ZERO) <= 50 * MS);
        assert_eq!(backoff.next(7000 * MS), 7000 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_time_out_of_reach_the_error_stands() {
        let config = Reconnect { give_up_after: Duration::from_secs(60), ..Reconnect::default() };
        let mut backoff = Backoff::new(config);
        let error = Error::new(ErrorKind::ConnectionLost, Fault::Transport, "the cable is out");
        let began = Instant::now();
        let mut waits = 0;
        let last = loop {
            match backoff.wait(error.clone()).await {
                Ok(()) => waits += 1,
                Err(last) => break last,
            }
        };
        assert!(last.message.contains("the cable is out") && last.message.contains("60 s"), "{last}");
        assert!(waits > 10 && began.elapsed() > Duration::from_secs(50), "{waits} {:?}", began.elapsed());
    }
}
