//! `wait`: the prompt stays editable, and Ctrl-C ends only the waiting.

use std::time::Instant;

use crate::prompt::command::Waiting;
use crate::prompt::state::{Foreground, Prompt, Wait};

impl Prompt<'_> {
    pub(super) fn wait_for(&mut self, waiting: &Waiting) {
        let elsewhere: Vec<String> =
            waiting.jobs.iter().filter_map(|spec| self.named_elsewhere(spec)).collect();
        if !elsewhere.is_empty() {
            return self.wait_elsewhere(elsewhere, waiting.clone());
        }
        let numbers: Option<Vec<u32>> = if waiting.jobs.is_empty() {
            Some(self.jobs.listed().filter(|entry| !entry.item.in_front).map(|entry| entry.number).collect())
        } else {
            waiting.jobs.iter().map(|spec| self.listed("wait", Some(spec))).collect()
        };
        let Some(numbers) = numbers else { return };
        let keys: Vec<u64> =
            numbers.iter().filter_map(|number| self.jobs.get(*number)).map(|entry| entry.key).collect();
        if keys.is_empty() {
            return;
        }
        if matches!(self.front, Foreground::Job(_)) {
            return self.print_error(
                "wait: a stream is in front; Ctrl-Z sends it to the background. Its end is shown anyway",
            );
        }
        let until = waiting.time.and_then(|time| Instant::now().checked_add(time));
        self.front = Foreground::Wait(Wait { keys, first: waiting.first, until });
        self.finish_wait();
    }

    /// Ends a wait whose jobs have ended or whose timeout has passed.
    pub fn finish_wait(&mut self) {
        let Foreground::Wait(wait) = &mut self.front else { return };
        let all = wait.keys.len();
        let jobs = &self.jobs;
        wait.keys.retain(|key| jobs.listed().any(|entry| entry.key == *key && !has_ended(&entry.item)));
        let left = wait.keys.len();
        let done = left == 0 || (wait.first && left < all);
        let late = wait.until.is_some_and(|until| until <= Instant::now());
        if !done && !late {
            return;
        }
        self.front = Foreground::Idle;
        if !done {
            let jobs = if left == 1 { "1 job has".to_owned() } else { format!("{left} jobs have") };
            self.exit = self.exit.or(crate::exit::Exit::TimedOut);
            self.print_error(&format!("wait: timed out; {jobs} not ended"));
        }
        self.announce_ends(false);
    }
}

/// Whether this prompt knows the job's end and can announce it.
fn has_ended(item: &crate::prompt::item::Item) -> bool {
    item.outcome.is_some() || (item.is_over() && item.job().is_none())
}
