//! The state of each question of a batch, and the next step. It does not use the relay; the caller reports
//! events.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use towline::error::{ErrorKind, Fault};
use towline::relay::{AnswerState, Job};
use towline::{Error, Outcome};

use super::progress::Count;
use super::questions::Ask;
use super::results::{self, EarlierResult};
use crate::exit::{self, Exit};

/// The wait before the first retry of a failed question; it doubles with each further retry.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A batch.
#[derive(Debug)]
pub struct Batch {
    asks: Vec<Ask>,
    entries: Vec<Entry>,
    /// The question of each job, for its last attempt.
    by_job: HashMap<String, usize>,
    /// Jobs that had ended before it was known to which question they belong.
    early: HashMap<String, Job>,
    /// Jobs that had ended before this run began.
    ended_before: HashSet<String>,
    /// No question is submitted before this time, because the relay has no room.
    paused_until: Option<Instant>,
    /// The first question whose result is not written.
    next: usize,
    group: String,
    retry: u16,
}

#[derive(Debug)]
struct Entry {
    step: Step,
    /// How often it was asked before, in all runs.
    before: u32,
    /// How often it was retried in this run after a failure.
    retried: u16,
    exit: Exit,
    /// The outcome of its answer, once it is read.
    outcome: &'static str,
    /// The job of its last attempt.
    job: String,
}

/// Where a question is.
#[derive(Debug)]
enum Step {
    /// It must be asked, not before this time.
    Missing(Instant),
    /// It is being submitted.
    Asking,
    /// The relay has it.
    Running,
    /// The answer has ended.
    Ended(Box<Job>),
    /// The answer is read.
    Reading,
    /// Its result waits for those before it.
    Read(String),
    /// Its result is written.
    Written,
}

/// A result to be written.
#[derive(Debug)]
pub struct WrittenResult<'a> {
    pub ask: &'a Ask,
    /// The job that answered it.
    pub job: &'a str,
    /// How the answer ended.
    pub outcome: &'static str,
    pub line: String,
}

impl Batch {
    /// A batch with known results. `ended` are the ended jobs of the group that the relay already has.
    pub fn new(
        asks: Vec<Ask>,
        known: &HashMap<String, EarlierResult>,
        ended: HashSet<String>,
        group: &str,
        retry: u16,
        now: Instant,
    ) -> Self {
        let entry = |ask: &Ask| {
            let known = known.get(&ask.key).filter(|known| !known.is_missing);
            let (step, exit) =
                known.map_or((Step::Missing(now), Exit::Completed), |known| (Step::Written, known.exit));
            Entry { step, before: 0, retried: 0, exit, outcome: "", job: String::new() }
        };
        let entries = asks.iter().map(entry).collect();
        Self {
            entries,
            asks,
            by_job: HashMap::new(),
            early: HashMap::new(),
            ended_before: ended,
            paused_until: None,
            next: 0,
            group: group.to_owned(),
            retry,
        }
    }

    /// All questions.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// The next question to submit, with its request id, which is the same whenever this attempt is repeated.
    pub fn ask(&mut self, now: Instant) -> Option<(usize, String)> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        let is_due = |entry: &Entry| matches!(entry.step, Step::Missing(due) if due <= now);
        let at = self.entries.iter().position(is_due)?;
        let entry = &mut self.entries[at];
        entry.step = Step::Asking;
        Some((at, format!("batch-{}-{}-{}", self.group, self.asks[at].key, entry.before)))
    }

    /// Records that the relay has the question as this job.
    pub fn asked(&mut self, at: usize, job: String, now: Instant) {
        self.entries[at].step = Step::Running;
        self.entries[at].job.clone_from(&job);
        let early = self.early.remove(&job);
        self.by_job.insert(job, at);
        if let Some(job) = early {
            self.job(&job, now);
        }
    }

    /// Records that the relay has no room for the question now.
    pub fn no_room(&mut self, at: usize, wait: Duration, now: Instant) {
        self.entries[at].step = Step::Missing(now);
        self.paused_until = Some(now + wait);
    }

    /// Updates a job of the group.
    pub fn job(&mut self, job: &Job, now: Instant) {
        if !job.state.is_ended() {
            return;
        }
        let Some(&at) = self.by_job.get(&job.id) else {
            self.early.insert(job.id.clone(), job.clone());
            return;
        };
        if !matches!(self.entries[at].step, Step::Running) {
            return;
        }
        // An answer that may have been sent is judged once it is read.
        if job.sent || !self.retry_if_allowed(at, job, now) {
            self.entries[at].step = Step::Ended(Box::new(job.clone()));
        }
    }

    /// Retries a question that had no effect, if allowed: one that the end of the relay kept from a model
    /// server, one from an earlier run, and one that failed, up to the limit of retries.
    fn retry_if_allowed(&mut self, at: usize, job: &Job, now: Instant) -> bool {
        let entry = &mut self.entries[at];
        let is_failed = job.state == AnswerState::Failed && entry.retried < self.retry;
        let is_free = job.state == AnswerState::Interrupted || self.ended_before.contains(&job.id);
        if !is_free && !is_failed {
            return false;
        }
        let mut due = now;
        if !is_free {
            due += LONGEST_WAIT.min(FIRST_WAIT.saturating_mul(1 << entry.retried.min(8)));
            entry.retried += 1;
        }
        entry.before += 1;
        entry.step = Step::Missing(due);
        // The relay may report it once more, which says nothing about the next attempt.
        self.by_job.remove(&job.id);
        true
    }

    /// The relay's current jobs of the group: our jobs that are missing were deleted.
    pub fn only(&mut self, jobs: &HashSet<String>) {
        let gone: Vec<String> = self.by_job.keys().filter(|id| !jobs.contains(*id)).cloned().collect();
        gone.iter().for_each(|job| self.job_deleted(job));
    }

    /// Handles a deleted job, whose unread text is lost.
    pub fn job_deleted(&mut self, job: &str) {
        let Some(&at) = self.by_job.get(job) else { return };
        if matches!(self.entries[at].step, Step::Running | Step::Ended(_)) {
            let message = "the answer was deleted on the relay before it was read";
            let error = Error::new(ErrorKind::NotFound, Fault::Server, message).with_effect(true);
            let outcome = Outcome::new(towline::Ending::Failed(error));
            self.finish(at, &Job::new(job, AnswerState::Failed), &outcome, true);
        }
    }

    /// The next answer to read: a failed one, which may be retried, else the one whose result is written
    /// next.
    pub fn read(&mut self) -> Option<(usize, Box<Job>)> {
        let is_failed =
            |entry: &Entry| matches!(&entry.step, Step::Ended(job) if job.state == AnswerState::Failed);
        let failed = self.entries.iter().position(is_failed);
        let at = failed.unwrap_or(self.next);
        let entry = self.entries.get_mut(at)?;
        let Step::Ended(job) = &entry.step else { return None };
        let job = job.clone();
        entry.step = Step::Reading;
        Some((at, job))
    }

    /// Records an answer that was read to its end.
    pub fn record_answer(&mut self, at: usize, job: &Job, outcome: &Outcome, now: Instant) {
        let had_effect = match (&job.state, outcome.ending.error()) {
            (_, None) => true,
            // The server refused it, because it is busy or lacks the model.
            (AnswerState::Failed, Some(error)) => job.sent && error.may_have_had_effect,
            (_, Some(_)) => job.sent,
        };
        if had_effect || !self.retry_if_allowed(at, job, now) {
            self.finish(at, job, outcome, had_effect);
        }
    }

    fn finish(&mut self, at: usize, job: &Job, outcome: &Outcome, had_effect: bool) {
        let entry = &mut self.entries[at];
        entry.exit = exit::of_ending(&outcome.ending, None);
        entry.outcome = outcome.ending.as_str();
        entry.step = Step::Read(results::line(&self.asks[at], job, outcome, had_effect));
    }

    /// The next result to write, in the order of the questions.
    pub fn write(&mut self) -> Option<WrittenResult<'_>> {
        while matches!(self.entries.get(self.next)?.step, Step::Written) {
            self.next += 1;
        }
        let entry = &mut self.entries[self.next];
        let Step::Read(line) = &mut entry.step else { return None };
        let line = std::mem::take(line);
        entry.step = Step::Written;
        Some(WrittenResult { ask: &self.asks[self.next], job: &entry.job, outcome: entry.outcome, line })
    }

    /// Whether all results are written.
    pub fn is_done(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry.step, Step::Written))
    }

    /// How far it is.
    pub fn count(&self) -> Count {
        let mut count = Count { all: self.entries.len(), ..Count::default() };
        for entry in &self.entries {
            let failed = match &entry.step {
                Step::Missing(_) | Step::Asking | Step::Running => continue,
                Step::Ended(job) => job.state != AnswerState::Completed,
                Step::Reading | Step::Read(_) | Step::Written => entry.exit != Exit::Completed,
            };
            count.done += 1;
            count.failed += usize::from(failed);
        }
        count
    }

    /// Number of questions that the relay does not have yet.
    pub fn missing(&self) -> usize {
        let is_missing = |entry: &&Entry| matches!(entry.step, Step::Missing(_) | Step::Asking);
        self.entries.iter().filter(is_missing).count()
    }

    /// The exit status: that of the first answer that did not complete.
    pub fn exit(&self) -> Exit {
        self.entries.iter().fold(Exit::Completed, |exit, entry| exit.or(entry.exit))
    }
}

#[cfg(test)]
mod tests {
    use towline::{ChatRequest, Ending};

    use super::*;

    fn batch(retry: u16, ended: &[&str], now: Instant) -> Batch {
        let ask = |key: &str| Ask {
            number: 1,
            id: None,
            question: "q".into(),
            request: ChatRequest::new("m"),
            key: key.into(),
        };
        let ended = ended.iter().map(|&id| id.to_owned()).collect();
        Batch::new(["a", "b"].map(ask).to_vec(), &HashMap::new(), ended, "g", retry, now)
    }

    fn job(id: &str, state: AnswerState, sent: bool) -> Job {
        let mut job = Job::new(id, state);
        job.sent = sent;
        job
    }

    fn completed() -> Outcome {
        Outcome::new(Ending::Completed(None))
    }

    fn refused(has_effect: bool) -> Outcome {
        let error = Error::new(ErrorKind::Busy, Fault::Server, "busy").with_effect(has_effect);
        Outcome::new(Ending::Failed(error))
    }

    fn request(batch: &mut Batch, now: Instant) -> Option<String> {
        batch.ask(now).map(|(_, id)| id)
    }

    #[test]
    fn results_are_written_in_the_order_of_the_questions() {
        let now = Instant::now();
        let mut batch = batch(0, &[], now);
        for (at, job) in [(0, "j0"), (1, "j1")] {
            assert_eq!(batch.ask(now).map(|(at, _)| at), Some(at));
            batch.asked(at, job.to_owned(), now);
        }
        batch.job(&job("j1", AnswerState::Completed, true), now);
        assert!(batch.read().is_none(), "the first one is read first");
        batch.job(&job("j0", AnswerState::Completed, true), now);
        for (at, id) in [(0, "j0"), (1, "j1")] {
            let (read, ended) = batch.read().unwrap();
            assert_eq!((read, ended.id.as_str()), (at, id));
            batch.record_answer(read, &ended, &completed(), now);
            assert_eq!(batch.write().unwrap().job, id);
            assert!(batch.write().is_none());
        }
        assert!(batch.is_done() && batch.exit() == Exit::Completed);
    }

    /// The relay reports all jobs once more after a lost connection, or if a list of changes was too long.
    #[test]
    fn a_try_that_was_replaced_says_nothing_about_the_next() {
        let now = Instant::now();
        let mut batch = batch(0, &[], now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-a-0");
        let first = job("j0", AnswerState::Interrupted, false);
        batch.job(&first, now);
        batch.asked(0, "j0".into(), now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-a-1");
        batch.asked(0, "j1".into(), now);
        batch.job(&first, now);
        batch.job_deleted("j0");
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-b-0", "the first question is asked already");
        batch.job(&job("j1", AnswerState::Interrupted, true), now);
        assert_eq!(batch.read().unwrap().1.id, "j1", "what was sent is not asked again");
    }

    #[test]
    fn what_failed_without_an_effect_is_asked_again_so_many_times() {
        let now = Instant::now();
        let mut batch = batch(1, &[], now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-a-0");
        batch.asked(0, "j0".into(), now);
        batch.job(&job("j0", AnswerState::Failed, false), now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-b-0", "the first question waits");
        batch.asked(1, "b0".into(), now);
        assert_eq!(request(&mut batch, now + FIRST_WAIT).unwrap(), "batch-g-a-1");
        batch.asked(0, "j1".into(), now);
        batch.job(&job("j1", AnswerState::Failed, true), now);
        let (at, ended) = batch.read().unwrap();
        batch.record_answer(at, &ended, &refused(false), now);
        assert!(request(&mut batch, now + LONGEST_WAIT).is_none(), "it was asked once more already");
        assert!(batch.write().unwrap().line.contains("\"may_have_had_effect\":false"));
        batch.job(&job("b0", AnswerState::Failed, true), now);
        let (at, ended) = batch.read().unwrap();
        batch.record_answer(at, &ended, &refused(true), now);
        assert!(batch.write().unwrap().line.contains("\"may_have_had_effect\":true"));
        assert!(batch.is_done() && batch.exit() == Exit::Failed);
    }

    #[test]
    fn what_an_earlier_run_left_is_asked_again_unless_it_had_an_effect() {
        let now = Instant::now();
        let mut batch = batch(0, &["j0", "b0"], now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-a-0");
        batch.job(&job("j0", AnswerState::Cancelled, false), now);
        batch.asked(0, "j0".into(), now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-a-1");
        batch.asked(0, "j1".into(), now);
        assert_eq!(request(&mut batch, now).unwrap(), "batch-g-b-0");
        batch.asked(1, "b0".into(), now);
        batch.job(&job("b0", AnswerState::Cancelled, true), now);
        batch.job(&job("j1", AnswerState::Cancelled, false), now);
        assert!(request(&mut batch, now).is_none(), "both were cancelled for good");
        assert_eq!(batch.count(), Count { all: 2, done: 2, failed: 2 });
    }

    #[test]
    fn a_full_relay_is_asked_later() {
        let now = Instant::now();
        let mut batch = batch(0, &[], now);
        let (at, first) = batch.ask(now).unwrap();
        batch.no_room(at, Duration::from_secs(1), now);
        assert!(batch.ask(now).is_none());
        assert_eq!(batch.missing(), 2);
        assert_eq!(request(&mut batch, now + Duration::from_secs(1)).unwrap(), first, "as the same request");
    }

    #[test]
    fn an_answer_that_was_deleted_is_lost_and_said_to_be() {
        let now = Instant::now();
        let mut batch = batch(0, &[], now);
        for (at, id) in [(0, "j0"), (1, "j1")] {
            batch.ask(now);
            batch.asked(at, id.to_owned(), now);
        }
        batch.only(&HashSet::from(["j1".to_owned()]));
        let line = batch.write().unwrap().line;
        assert!(line.contains("was deleted on the relay before it was read"), "{line}");
        assert!(batch.write().is_none());
    }
}
