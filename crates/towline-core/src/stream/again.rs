//! Continues or repeats a stream with another request.

use std::time::Instant;

use super::Lifecycle;
use crate::dialect::{Dialect, ThinkTags};
use crate::outcome::{Outcome, Stats};

impl Lifecycle {
    /// The same stream, before its start, as if it started at `now`.
    #[must_use]
    pub fn restarted(&self, now: Instant) -> Self {
        let next = Self::new(self.dialect, self.timeouts, self.limits, now).with_think_tags(self.tags);
        Self { kept: self.kept.restarted(), ..next }
    }

    /// The same stream from its beginning, for a retry after `outcome`, which must be a failure without
    /// events. The total time limit continues; the other timeouts start again. `dialect` may be another one.
    #[must_use]
    pub fn again(&self, dialect: Dialect, outcome: Outcome, now: Instant) -> Self {
        let mut next = Self::new(dialect, self.timeouts, self.limits, now).with_think_tags(self.tags);
        next.marks.started = self.marks.started;
        next.kept = self.kept.restarted();
        next.retried = outcome.retried;
        next.retried.extend(outcome.ending.error());
        next
    }

    /// The same request in another dialect, because the server has no endpoint for this one. It does not
    /// count as a retry.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect, outcome: Outcome, now: Instant) -> Self {
        let mut next = self.again(dialect, outcome, now);
        next.retried.pop();
        next
    }

    /// The stream that continues, with a further request, where `outcome` was cut. The received part is kept,
    /// and the outcome will report that the text is stitched.
    #[must_use]
    pub fn continued(&self, dialect: Dialect, outcome: Outcome, now: Instant) -> Self {
        let (reply, stats, not_understood) =
            (outcome.reply.clone(), outcome.stats, outcome.not_understood.clone());
        // The continuation is inside the answer's text, where tags have no meaning.
        let mut next = self.again(dialect, outcome, now).with_think_tags(ThinkTags::Keep);
        next.not_understood = not_understood;
        (next.kept.reply, next.kept.reply_bytes) = (reply, self.kept.reply_bytes);
        next.stats = Stats { stitches: stats.stitches + 1, ..stats };
        next
    }
}
