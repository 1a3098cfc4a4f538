//! Which requests are retried, and when.

use std::time::Duration;

use proptest::prelude::*;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::retry::RetryPolicy;

use crate::support::cases;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn connect() -> Error {
    Error::new(ErrorKind::Connect, Fault::Transport, "refused")
}

fn busy(status: u16, seconds: u64) -> Error {
    Error::from_status(status, b"busy", Some(Duration::from_secs(seconds)))
}

const ALL_KINDS: [ErrorKind; 15] = [
    ErrorKind::InvalidRequest,
    ErrorKind::Connect,
    ErrorKind::Tls,
    ErrorKind::ConnectionLost,
    ErrorKind::Truncated,
    ErrorKind::Rejected,
    ErrorKind::Unauthorized,
    ErrorKind::NotFound,
    ErrorKind::Busy,
    ErrorKind::Server,
    ErrorKind::Protocol,
    ErrorKind::Limit,
    ErrorKind::Redirect,
    ErrorKind::TimedOut,
    ErrorKind::Cancelled,
];

#[test]
fn only_what_had_no_effect_and_may_pass_is_tried_again() {
    let policy = RetryPolicy::default();
    for kind in ALL_KINDS {
        let error = Error::new(kind, Fault::Server, "");
        let again = policy.wait_after(&error, 1, 0.5).is_some();
        assert_eq!(again, matches!(kind, ErrorKind::Connect | ErrorKind::ConnectionLost), "{kind:?}");
        let asked = Error { retry_after: Some(Duration::ZERO), ..error.clone() };
        let again = policy.wait_after(&asked, 1, 0.5).is_some();
        let passing = matches!(kind, ErrorKind::Connect | ErrorKind::ConnectionLost | ErrorKind::Busy);
        assert_eq!(again, passing, "{kind:?}");
        assert_eq!(policy.wait_after(&asked.with_effect(true), 1, 0.5), None, "{kind:?}");
    }
    // Busy without `Retry-After` is Ollama's full queue; the caller decides.
    assert_eq!(policy.wait_after(&Error::from_status(503, b"server busy", None), 1, 0.5), None);
    for status in 100..=999 {
        let again = policy.wait_after(&busy(status, 1), 1, 0.5).is_some();
        assert_eq!(again, matches!(status, 429 | 503), "{status}");
    }
}

#[test]
fn waits_double_up_to_the_longest_and_end_with_the_tries() {
    let policy = RetryPolicy { max_tries: 9, first_wait: ms(250), max_wait: ms(3000) };
    for (tries, shortest, longest) in
        [(1, 125, 250), (2, 250, 500), (3, 500, 1000), (4, 1000, 2000), (5, 1500, 3000), (8, 1500, 3000)]
    {
        assert_eq!(policy.wait_after(&connect(), tries, 0.0), Some(ms(shortest)), "{tries}");
        assert_eq!(policy.wait_after(&connect(), tries, 1.0), Some(ms(longest)), "{tries}");
    }
    for tries in [9, 10, u32::MAX] {
        assert_eq!(policy.wait_after(&connect(), tries, 0.5), None, "{tries}");
    }
    assert_eq!(RetryPolicy::NEVER.wait_after(&connect(), 1, 0.5), None);
    assert_eq!(RetryPolicy::default().max_tries, 3);
    assert_eq!(RetryPolicy::default().wait_after(&connect(), 2, 1.0), Some(ms(500)));
}

#[test]
fn a_wait_the_server_asked_for_is_kept_to_or_too_long() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.wait_after(&busy(503, 7), 1, 0.0), Some(ms(7000)));
    assert_eq!(policy.wait_after(&busy(429, 0), 1, 1.0), Some(ms(250)));
    assert_eq!(policy.wait_after(&busy(429, 30), 1, 1.0), Some(ms(30_000)));
    assert_eq!(policy.wait_after(&busy(429, 31), 1, 1.0), None);
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100_000_u64).prop_map(ms),
        any::<u64>().prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn a_wait_is_in_its_range_for_any_policy(
        (max_tries, first_wait, max_wait) in (any::<u32>(), any_duration(), any_duration()),
        tries in prop_oneof![0_u32..70, any::<u32>()],
        jitter in prop_oneof![0.0..=1.0, any::<f64>(), Just(f64::NAN), Just(f64::INFINITY)],
        asked in proptest::option::of(any_duration()),
    ) {
        let policy = RetryPolicy { max_tries, first_wait, max_wait };
        let error = Error { retry_after: asked, ..connect() };
        let asked = asked.unwrap_or_default();
        let wait = policy.wait_after(&error, tries, jitter);
        prop_assert_eq!(wait.is_some(), tries < max_tries && asked <= max_wait);
        if let Some(wait) = wait {
            prop_assert!(wait <= max_wait && wait >= asked, "{:?}", wait);
            let doubled = first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(max_wait);
            // Half of it, except for rounding below a nanosecond.
            prop_assert!(wait.saturating_add(Duration::from_nanos(1)) >= doubled / 2 && wait <= doubled.max(asked), "{:?}", wait);
        }
    }
}
