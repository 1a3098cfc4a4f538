//! The rate of an answer, including one that already existed in part when the prompt started to read it.

use std::time::Duration;

use towline::engine::JobInfo;
use towline::relay::Job;

/// The basis of an answer's token rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// The time since its first token arrived here.
    Own,
    /// The relay had a part of it, and must be asked for its rate.
    Untold,
    /// The relay was asked.
    Asked,
    /// The time since its first token arrived at the relay: this many seconds longer than this prompt has
    /// read it.
    Since(f64),
    /// It had ended: the rate that the relay has recorded.
    Was(f64),
}

impl Pace {
    /// The pace of an answer that this prompt has read for `age` when the relay reports its state.
    pub fn reported(job: &Job, age: Duration) -> Self {
        match (job.tokens, job.tokens_per_second) {
            (Some(_), Some(rate)) if job.state.is_ended() => Self::Was(rate),
            // The time starts with the first token.
            (Some(tokens @ 2..), Some(rate)) if rate > 0.0 => {
                Self::Since((tokens - 1) as f64 / rate - age.as_secs_f64())
            }
            // The relay had no tokens worth counting.
            (_, _) => Self::Own,
        }
    }

    /// Tokens per second; a single token has no rate.
    pub fn rate(self, info: &JobInfo) -> Option<f64> {
        let rate = match self {
            Self::Own => info.tokens_per_second,
            Self::Untold | Self::Asked => return None,
            Self::Since(before) => info.tokens as f64 / (info.age.as_secs_f64() + before).max(f64::EPSILON),
            Self::Was(rate) => rate,
        };
        (info.tokens > 1).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use towline::engine::{JobId, JobState};
    use towline::relay::AnswerState;

    use super::*;

    fn info(tokens: u64, age_s: u64) -> JobInfo {
        JobInfo {
            id: JobId(1),
            name: "m".into(),
            group: None,
            model: None,
            state: JobState::Streaming,
            records: tokens,
            received_bytes: 0,
            tokens,
            tokens_per_second: 5000.0,
            age: Duration::from_secs(age_s),
            since_last_event: None,
            deadline_in: None,
            log_bytes: 0,
            log_full: false,
        }
    }

    #[test]
    fn what_was_there_counts_with_the_time_that_it_took() {
        let mut job = Job::new("id", AnswerState::Streaming);
        (job.tokens, job.tokens_per_second) = (Some(101), Some(10.0));
        // Asked after 1 s here, 10 s after the first token there.
        let pace = Pace::reported(&job, Duration::from_secs(1));
        assert_eq!(pace.rate(&info(110, 2)), Some(10.0));
        job.state = AnswerState::Completed;
        assert_eq!(Pace::reported(&job, Duration::from_secs(1)).rate(&info(110, 2)), Some(10.0));
        assert_eq!(Pace::Asked.rate(&info(110, 2)), None);
        let began = Job::new("id", AnswerState::Waiting);
        assert_eq!(Pace::reported(&began, Duration::ZERO).rate(&info(110, 2)), Some(5000.0));
    }
}
