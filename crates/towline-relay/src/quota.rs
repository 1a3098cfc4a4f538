//! Quotas of an owner: requests per minute, tokens per day, running answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::Owner;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// The limits of an owner; `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_day: Option<u64>,
    /// Counted by the admission queue.
    pub(crate) running: Option<usize>,
}

impl Quota {
    /// The stricter of both, limit by limit.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.into_iter().chain(b).min()
        }
        Self {
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            tokens_per_day: least(self.tokens_per_day, other.tokens_per_day),
            running: least(self.running, other.running),
        }
    }
}

/// A limit that an owner has reached: its name and value, and when requests are accepted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReachedLimit {
    pub(crate) limit: &'static str,
    pub(crate) most: u64,
    pub(crate) retry_after_s: u64,
}

/// The usage of all owners, in memory. A start counts today's tokens again from the stored answers.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<HashMap<Owner, OwnerUsage>>);

#[derive(Debug, Default)]
struct OwnerUsage {
    /// The time up to which the accepted requests would be spread evenly, in Unix milliseconds (GCRA).
    spread_until_ms: u64,
    /// The day of the counted tokens, since 1970.
    day: u64,
    tokens: u64,
}

impl Usage {
    fn used(&self) -> MutexGuard<'_, HashMap<Owner, OwnerUsage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, unless a limit is reached.
    ///
    /// # Errors
    /// The limit.
    pub(crate) fn ask(&self, owner: &Owner, quota: Quota, now_ms: u64) -> Result<(), ReachedLimit> {
        if quota == Quota::default() {
            return Ok(());
        }
        let mut all = self.used();
        let used = all.entry(owner.clone()).or_default();
        if let Some(most) = quota.tokens_per_day
            && used.day == now_ms / DAY_MS
            && used.tokens >= most
        {
            let retry_after_s = (DAY_MS - now_ms % DAY_MS).div_ceil(1000);
            return Err(ReachedLimit { limit: "tokens_per_day", most, retry_after_s });
        }
        if let Some(most) = quota.requests_per_minute {
            let each_ms = MINUTE_MS / u64::from(most).max(1);
            // The requests of a whole minute may arrive at once.
            let room_ms = if most == 0 { 0 } else { MINUTE_MS };
            let until_ms = used.spread_until_ms.max(now_ms) + each_ms;
            if until_ms > now_ms + room_ms {
                let retry_after_s = (until_ms - now_ms - room_ms).div_ceil(1000);
                return Err(ReachedLimit {
                    limit: "requests_per_minute",
                    most: u64::from(most),
                    retry_after_s,
                });
            }
            used.spread_until_ms = until_ms;
        }
        Ok(())
    }

    /// Counts a request that another relay has accepted.
    pub(crate) fn was_asked(&self, owner: &Owner, quota: Quota, at_ms: u64) {
        let Some(most) = quota.requests_per_minute else { return };
        let mut all = self.used();
        let used = all.entry(owner.clone()).or_default();
        let until_ms = used.spread_until_ms.max(at_ms) + MINUTE_MS / u64::from(most).max(1);
        used.spread_until_ms = until_ms.min(at_ms + MINUTE_MS).max(used.spread_until_ms);
    }

    /// Counts tokens of an answer that ended at `ended_ms`.
    pub(crate) fn spend(&self, owner: &Owner, tokens: u64, ended_ms: u64) {
        let mut all = self.used();
        let used = all.entry(owner.clone()).or_default();
        let day = ended_ms / DAY_MS;
        if day > used.day {
            (used.day, used.tokens) = (day, 0);
        }
        if day == used.day {
            used.tokens = used.tokens.saturating_add(tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 20_000 * DAY_MS + 1_000;

    #[test]
    fn what_other_relays_let_in_counts() {
        let (usage, ann) = (Usage::default(), Owner::named("ann"));
        let quota = Quota { requests_per_minute: Some(2), ..Quota::default() };
        usage.was_asked(&ann, quota, NOW_MS - DAY_MS);
        usage.was_asked(&ann, quota, NOW_MS);
        assert_eq!(usage.ask(&ann, quota, NOW_MS), Ok(()));
        assert_eq!(usage.ask(&ann, quota, NOW_MS).unwrap_err().limit, "requests_per_minute");
        // However many were accepted at once, requests are accepted again after a minute.
        (0..10).for_each(|_| usage.was_asked(&ann, quota, NOW_MS));
        assert_eq!(usage.ask(&ann, quota, NOW_MS + MINUTE_MS), Ok(()));
    }

    #[test]
    fn a_minutes_requests_may_come_at_once_and_then_one_after_the_other() {
        let (usage, ann) = (Usage::default(), Owner::named("ann"));
        let quota = Quota { requests_per_minute: Some(3), ..Quota::default() };
        for _ in 0..3 {
            assert_eq!(usage.ask(&ann, quota, NOW_MS), Ok(()));
        }
        let reached = ReachedLimit { limit: "requests_per_minute", most: 3, retry_after_s: 20 };
        assert_eq!(usage.ask(&ann, quota, NOW_MS), Err(reached));
        assert_eq!(usage.ask(&Owner::named("bob"), quota, NOW_MS), Ok(()), "each has an own limit");
        assert_eq!(usage.ask(&ann, quota, NOW_MS + 20_000), Ok(()));
        assert!(usage.ask(&ann, quota, NOW_MS + 20_001).is_err());
        assert_eq!(usage.ask(&ann, Quota::default(), NOW_MS), Ok(()));
        let none = Quota { requests_per_minute: Some(0), ..Quota::default() };
        assert!(usage.ask(&Owner::named("eve"), none, NOW_MS).is_err());
    }

    #[test]
    fn tokens_are_those_of_the_day() {
        let (usage, ann) = (Usage::default(), Owner::named("ann"));
        let quota = Quota { tokens_per_day: Some(100), ..Quota::default() };
        usage.spend(&ann, 99, NOW_MS);
        assert_eq!(usage.ask(&ann, quota, NOW_MS), Ok(()));
        usage.spend(&ann, 1, NOW_MS);
        usage.spend(&ann, 500, NOW_MS - DAY_MS);
        let reached = ReachedLimit { limit: "tokens_per_day", most: 100, retry_after_s: 86_399 };
        assert_eq!(usage.ask(&ann, quota, NOW_MS), Err(reached));
        assert_eq!(usage.ask(&ann, quota, NOW_MS + DAY_MS), Ok(()), "another day");
        assert_eq!(
            quota
                .and(Quota { requests_per_minute: Some(1), tokens_per_day: Some(7), running: None })
                .tokens_per_day,
            Some(7)
        );
    }
}
