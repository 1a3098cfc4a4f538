//! When a request may be retried automatically: only if a retry provably cannot repeat an effect.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// How often a request is attempted, and how long the waits are.
///
/// A request is retried only before any byte of the answer has arrived, and only if no connection could be
/// made, if the connection broke before any byte of the request was sent, or if the server refused with 429
/// or 503 and sent `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Total number of attempts. Default 3; 1 switches retries off.
    pub max_tries: u32,
    /// The wait before the second attempt if the server does not specify one; it doubles with each further
    /// attempt. Default 250 ms.
    pub first_wait: Duration,
    /// The longest single wait. A server that asks for more is not retried. Default 30 s.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_tries: 3, first_wait: Duration::from_millis(250), max_wait: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// Never retries.
    pub const NEVER: Self = Self { max_tries: 1, first_wait: Duration::ZERO, max_wait: Duration::ZERO };

    /// How long to wait before the next attempt after attempt number `tries` (from 1) failed with `error`;
    /// `None` means to give up.
    ///
    /// `jitter`, from 0 to 1, spreads the waits of clients that failed at the same time: the wait is between
    /// half and all of its nominal length, and never below the time that the server asked for.
    pub fn wait_after(&self, error: &Error, tries: u32, jitter: f64) -> Option<Duration> {
        if tries >= self.max_tries || !is_safe(error) {
            return None;
        }
        let asked = error.retry_after.unwrap_or_default();
        if asked > self.max_wait {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.max_wait);
        // Computed with integers: an f64 cannot represent long waits exactly, and NaN would panic.
        let of_1024 = 512 + (jitter.clamp(0.0, 1.0) * 512.0) as u128;
        Some(Duration::from_nanos_u128(doubled.as_nanos() * of_1024 / 1024).max(asked))
    }
}

/// Whether a request with this error certainly had no effect and may succeed on a retry.
fn is_safe(error: &Error) -> bool {
    let passing = match error.kind {
        // Once any byte was sent, the request may have had an effect.
        ErrorKind::Connect | ErrorKind::ConnectionLost => true,
        ErrorKind::Busy => error.retry_after.is_some(),
        ErrorKind::InvalidRequest
        | ErrorKind::Tls
        | ErrorKind::Truncated
        | ErrorKind::Rejected
        | ErrorKind::Unauthorized
        | ErrorKind::NotFound
        | ErrorKind::Server
        | ErrorKind::Protocol
        | ErrorKind::Limit
        | ErrorKind::Redirect
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled
        | ErrorKind::Task => false,
    };
    passing && !error.may_have_had_effect
}
