//! When a request may be sent again by itself: only where that provably cannot do a thing twice.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// How often and how patiently a request is tried.
///
/// A try is repeated only before any byte of the answer arrived, and only when no connection could be made, when it
/// broke before any byte of the request was sent, or when the server refused with 429 or 503 and said when to come back
/// (`Retry-After`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all. Default 3; 1 switches retrying off.
    pub max_tries: u32,
    /// The wait before the second try when the server names none; it doubles with each further try. Default 250 ms.
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
    /// Never tries again.
    pub const NEVER: Self = Self { max_tries: 1, first_wait: Duration::ZERO, max_wait: Duration::ZERO };

    /// How long to wait before another try after try number `tries` (from 1) failed with `error`; `None` to give up.
    ///
    /// `jitter`, from 0 to 1, spreads the waits of clients that failed together: the wait is between half and all of
    /// its nominal length, and never below what the server asked for.
    pub fn wait_after(&self, error: &Error, tries: u32, jitter: f64) -> Option<Duration> {
        if tries >= self.max_tries || !is_safe(error) {
            return None;
        }
        let asked = error.retry_after.unwrap_or_default();
        if asked > self.max_wait {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.max_wait);
        // In whole numbers: for an f64 a long wait is not exact, and what is no number would panic.
        let of_1024 = 512 + (jitter.clamp(0.0, 1.0) * 512.0) as u128;
        Some(Duration::from_nanos_u128(doubled.as_nanos() * of_1024 / 1024).max(asked))
    }
}

/// Whether a request that failed so certainly had no effect and may do better the next time.
fn is_safe(error: &Error) -> bool {
    let passing = match error.kind {
        // Once something was sent it may have had an effect.
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
