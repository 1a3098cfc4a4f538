//! `fg`, `bg`, `kill`, `pause`, `unpause`, `timeout`, `rename`, `limit`.

use towline::engine::StartAt;
use towline::{Deadline, Event};
use towline_app::answers::Verb;
use towline_app::text::units;

use crate::prompt::command::{Limit, Target};
use crate::prompt::notice;
use crate::prompt::spec::Spec;
use crate::prompt::state::{Followed, Foreground, Prompt};
use crate::term::screen::Tone;

/// The number of a job's last lines that are shown when it comes to the foreground.
const TAIL_LINES: usize = 20;

impl Prompt<'_> {
    pub(super) fn fg(&mut self, spec: Option<&Spec>) {
        if let Some(handle) = spec.and_then(|spec| self.named_elsewhere(spec)) {
            return self.attach_named(&handle);
        }
        let Some(number) = self.listed("fg", spec) else { return };
        if let Foreground::Job(followed) = &self.front
            && followed.number == number
        {
            return;
        }
        let Some(entry) = self.jobs.get(number) else { return };
        let title = notice::title(entry);
        self.print(Tone::Plain, &title);
        if let Some(job) = self.item(number).and_then(|item| item.job()) {
            job.unpause();
        }
        self.follow(number, None);
        self.start_held();
        self.show_tail(number);
    }

    /// Shows the end of a job's output so far; new output follows.
    fn show_tail(&mut self, number: u32) {
        let Some(job) = self.item(number).and_then(|item| item.job()).cloned() else { return };
        let mut reader = job.reader(StartAt::Beginning);
        let mut text = String::new();
        let mut outcome = None;
        while let Some(batch) = reader.try_read() {
            for event in batch.events {
                match event {
                    Event::Text(piece) => text.push_str(&piece),
                    Event::Thinking(_)
                    | Event::ToolCall(_)
                    | Event::Image(_)
                    | Event::Logprobs(_)
                    | Event::Progress(_)
                    | Event::Usage(_) => {}
                }
            }
            outcome = batch.outcome;
        }
        let Foreground::Job(mut followed) = std::mem::replace(&mut self.front, Foreground::Idle) else {
            return;
        };
        let (before, tail) = last_lines(&text, TAIL_LINES);
        if before > 0 {
            self.print(Tone::Dim, &format!("… {before} lines before; log %{number} has them"));
        }
        if !tail.is_empty() {
            let tail = Event::Text(tail.to_owned());
            self.record();
            self.show_event(&mut followed, &tail);
        }
        followed.reader = match outcome {
            // The end must be read once more, to be announced.
            Some(_) => Some(job.reader(StartAt::Now)),
            None => Some(reader),
        };
        self.front = Foreground::Job(followed);
        self.show_front();
    }

    pub(super) fn bg(&mut self, specs: &[Spec]) {
        let specs = if specs.is_empty() { vec![Spec::Current] } else { specs.to_vec() };
        for spec in specs {
            let Some(number) = self.listed("bg", Some(&spec)) else { continue };
            let is_front = self.item(number).is_some_and(|item| item.in_front);
            if is_front {
                self.front_behind();
                continue;
            }
            let Some(item) = self.item(number) else { continue };
            if item.is_over() {
                self.print_error(&format!("bg: job {number} has ended"));
            } else if item.word() == "Paused" {
                if let Some(job) = item.job() {
                    job.unpause();
                }
                self.jobs.touch(number);
                self.announce_again(number);
            } else {
                self.print_error(&format!("bg: job {number} already in background"));
            }
        }
    }

    /// `[1]+ gemma3  "first words…" &`, as in bash.
    fn announce_again(&mut self, number: u32) {
        let mark = self.jobs.mark(number);
        if let Some(title) = self.jobs.get(number).map(notice::title) {
            self.print(Tone::Plain, &format!("[{number}]{mark} {title} &"));
        }
    }

    pub(super) fn kill(&mut self, hard: bool, targets: &[Target]) {
        let mut numbers = Vec::new();
        for target in targets {
            match target {
                Target::All => numbers.extend(self.live()),
                Target::Everywhere => {
                    numbers.extend(self.live());
                    self.kill_elsewhere();
                }
                Target::Job(spec) if let Some(handle) = self.named_elsewhere(spec) => {
                    self.elsewhere("kill", Verb::Kill("killed".to_owned()), &handle);
                }
                Target::Job(spec) => numbers.extend(self.listed("kill", Some(spec))),
            }
        }
        numbers.dedup();
        for number in numbers {
            let Some(item) = self.item_mut(number) else { continue };
            if item.is_over() {
                self.print_error(&format!("kill: %{number}: the job has ended"));
                continue;
            }
            // It is announced when its work has ended.
            item.announce = true;
            item.cancel("killed", hard);
        }
    }

    pub(super) fn pause(&mut self, specs: &[Spec]) {
        for spec in specs {
            if let Some(handle) = self.named_elsewhere(spec) {
                self.elsewhere("pause", Verb::Pause, &handle);
                continue;
            }
            let Some(number) = self.listed("pause", Some(spec)) else { continue };
            let Some(item) = self.item(number) else { continue };
            match item.job().filter(|job| !job.state().is_ended()) {
                Some(job) => {
                    job.pause();
                    if self.item(number).is_some_and(|item| item.in_front) {
                        self.front_behind();
                    } else {
                        self.jobs.touch(number);
                        self.announce_paused(number);
                    }
                    self.print(
                        Tone::Dim,
                        "nothing more is read; the server may continue until the network's buffers are full",
                    );
                }
                None => self.print_error(&format!("pause: %{number}: the job is not running")),
            }
        }
    }

    /// The engine sets the state a moment later, so the notice shows the requested state.
    fn announce_paused(&mut self, number: u32) {
        let mark = self.jobs.mark(number);
        if let Some(title) = self.jobs.get(number).map(notice::title) {
            self.print(Tone::Plain, &format!("[{number}]{mark}  {:<24}{title}", "Paused"));
        }
    }

    pub(super) fn unpause(&mut self, specs: &[Spec]) {
        for spec in specs {
            if let Some(handle) = self.named_elsewhere(spec) {
                self.elsewhere("unpause", Verb::Unpause, &handle);
                continue;
            }
            let Some(number) = self.listed("unpause", Some(spec)) else { continue };
            if let Some(job) = self.item(number).and_then(|item| item.job()) {
                job.unpause();
            }
            self.jobs.touch(number);
            self.announce_again(number);
        }
    }

    pub(super) fn timeout(&mut self, spec: &Spec, deadline: Deadline) {
        if let Some(handle) = self.named_elsewhere(spec) {
            return self.elsewhere("timeout", Verb::Deadline(deadline), &handle);
        }
        let Some(number) = self.listed("timeout", Some(spec)) else { return };
        let Some(item) = self.item_mut(number) else { return };
        if item.is_over() {
            return self.print_error(&format!("timeout: %{number}: the job has ended"));
        }
        item.set_deadline(deadline);
        let message = match self.item(number).and_then(|item| item.deadline_in()) {
            Some(left) => format!("[{number}] ends in {} at the latest", units::running(left)),
            None => format!("[{number}] has no deadline"),
        };
        self.print(Tone::Plain, &message);
    }

    pub(super) fn rename(&mut self, spec: &Spec, name: &str) {
        if let Some(handle) = self.named_elsewhere(spec) {
            return self.elsewhere("rename", Verb::Rename(name.to_owned()), &handle);
        }
        let Some(number) = self.listed("rename", Some(spec)) else { return };
        if let Some(entry) = self.jobs.get_mut(number) {
            name.clone_into(&mut entry.name);
            if let Some(job) = entry.item.job() {
                job.rename(name);
            }
        }
    }

    pub(super) fn limit_to(&mut self, limit: Option<Limit>) {
        match limit {
            None => {}
            Some(Limit::To(count)) => self.config.limit = Some(count),
            Some(Limit::None) => self.config.limit = None,
        }
        let message = match self.config.limit {
            Some(1) => "one job at once; a job in front does not wait".to_owned(),
            Some(count) => format!("{count} jobs at once; a job in front does not wait"),
            None => "any number of jobs at once".to_owned(),
        };
        self.print(Tone::Plain, &message);
    }
}

/// The last `count` lines, and the number of lines before them.
pub fn last_lines(text: &str, count: usize) -> (usize, &str) {
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .filter(|at| *at < text.len())
        .collect();
    let before = starts.len().saturating_sub(count);
    (before, starts.get(before).map_or("", |at| &text[*at..]))
}

/// A log that is followed from the position of `reader`.
pub fn following(key: u64, number: u32, reader: towline::engine::Reader) -> Followed {
    Followed { key, number, reader: Some(reader), begun: false, label: None, partial: String::new() }
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_of_a_text() {
        for (text, count, before, last) in [
            ("", 2, 0, ""),
            ("a", 2, 0, "a"),
            ("a\nb\nc", 2, 1, "b\nc"),
            ("a\nb\nc\n", 2, 1, "b\nc\n"),
            ("a\n\n", 1, 1, "\n"),
            ("a\nb", 0, 2, ""),
        ] {
            assert_eq!(last_lines(text, count), (before, last), "{text:?}");
        }
    }
}
