//! The main loop: one foreground thread that waits for the user and the engine at the same time, and never
//! for anything else.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::command::{Bare, Command, Line};
use super::state::{Foreground, Prompt};
use super::{notice, parse};
use crate::exit::Exit;
use crate::term::screen::{Input, Status, Tone};

/// The minimum interval between polls of the engine's events; typed input is handled at once.
const FRAME: Duration = Duration::from_millis(8);
/// How often the times of the foreground job are redrawn.
const TICK: Duration = Duration::from_millis(250);
/// How long cancelled jobs may take to clean up when the prompt ends.
const GRACE: Duration = Duration::from_secs(2);

/// What comes next: the waiting lines, and the end.
#[derive(Debug, Default)]
pub struct Course {
    /// Waiting lines.
    queue: VecDeque<Queued>,
    leaving: ExitState,
}

/// A waiting line.
#[derive(Debug)]
struct Queued {
    typed: String,
    line: Line,
    /// The key of the job that it waits for.
    after: Option<u64>,
}

/// The progress of leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ExitState {
    #[default]
    Not,
    /// The user was warned that jobs are running.
    Warned,
    /// There is no more input; the prompt ends when everything is done.
    WhenDone,
    /// All jobs were cancelled; at this time they are dropped.
    Ending(Instant),
    Now,
}

impl Prompt<'_> {
    /// Runs the prompt to its end.
    ///
    /// # Errors
    /// If polling the screen fails, or the system is out of file descriptors.
    pub fn run(&mut self) -> io::Result<Exit> {
        let engine = self.engine.clone();
        let wake = engine.fd().map_err(io::Error::other)?;
        // One end of a pair that stays silent, to wait for the user only.
        let (silent, _other_end) = UnixStream::pair()?;
        let mut polled = Instant::now();
        self.show_prompt();
        loop {
            polled = self.poll_if_due(polled);
            self.run_pending();
            if self.course.leaving == ExitState::Now {
                // The user has seen the errors; leaving is not a failure.
                let has_reported = self.interactive && self.exit != Exit::Terminated;
                return Ok(if has_reported { Exit::Completed } else { self.exit });
            }
            let status = self.status();
            self.screen.status(status);
            let now = Instant::now();
            let frame_ends = polled + FRAME;
            let (wake, until) = if now < frame_ends && self.interactive {
                (silent.as_fd(), Some(frame_ends))
            } else {
                (wake, self.next_tick(now))
            };
            let inputs = self.wait(wake, until)?;
            for input in inputs {
                self.input(input);
            }
        }
    }

    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>> {
        self.screen.wait(wake, until)
    }

    /// Polls the engine's events, unless that happened just now.
    fn poll_if_due(&mut self, polled: Instant) -> Instant {
        let now = Instant::now();
        if self.interactive && now < polled + FRAME {
            return polled;
        }
        drop(self.engine.changes());
        self.apply_finished();
        self.keep_relay();
        self.record();
        self.show_front();
        self.notice_ends();
        now
    }

    /// Runs everything that has become possible, until nothing is left.
    fn run_pending(&mut self) {
        loop {
            self.start_held();
            self.finish_wait();
            if self.bring_next() || self.run_next() {
                self.record();
                self.show_front();
                continue;
            }
            break;
        }
        self.quit_if_due();
        self.update_completion();
    }

    /// When to wake up without an event.
    fn next_tick(&self, now: Instant) -> Option<Instant> {
        let tick = match &self.front {
            Foreground::Idle | Foreground::Log(_) => None,
            Foreground::Job(_) if self.interactive => Some(now + TICK),
            Foreground::Job(_) => None,
            Foreground::Wait(wait) => wait.until,
        };
        let ending = match self.course.leaving {
            ExitState::Ending(until) => Some(until),
            ExitState::Not | ExitState::Warned | ExitState::WhenDone | ExitState::Now => None,
        };
        // A held job's deadline passes without the engine.
        let held = self.jobs.listed().filter(|entry| entry.item.is_held());
        let held = held.filter_map(|entry| entry.item.deadline_in()).min().map(|left| now + left);
        [tick, ending, held].into_iter().flatten().min()
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Submit(typed) => self.submitted(typed),
            Input::Interrupt => self.interrupt(),
            // As in other chats, it stops the answer and nothing else.
            Input::Escape if matches!(self.front, Foreground::Job(_)) => self.interrupt(),
            Input::Escape => {}
            Input::Background => self.background(),
            Input::Eof => self.end_of_input(),
            Input::Terminate => {
                self.exit = Exit::Terminated;
                // The terminal is gone, but the user did not cancel: the relay's jobs continue there.
                self.detach_all();
                self.end_all("terminated");
            }
            Input::Redraw => {}
        }
    }

    fn submitted(&mut self, typed: String) {
        if !typed.trim().is_empty() {
            self.known().submitted(&typed);
        }
        let line = self.understood(&typed);
        if self.course.leaving == ExitState::Warned && line != Line::Command(Command::Bare(Bare::Exit)) {
            self.course.leaving = ExitState::Not;
        }
        if self.must_wait(&line) {
            let after = self.front_key();
            self.course.queue.push_back(Queued { typed, line, after });
            return;
        }
        self.execute(&typed, line);
        self.before_prompt();
    }

    /// Whether a line must wait for others. Questions wait for the foreground stream; in a script, every line
    /// does.
    fn must_wait(&mut self, line: &Line) -> bool {
        let busy = match &self.front {
            Foreground::Idle | Foreground::Log(_) => false,
            Foreground::Job(_) | Foreground::Wait(_) => true,
        };
        let waits =
            busy || self.is_blocked() || !self.course.queue.is_empty() || !self.next_fronts.is_empty();
        if !self.interactive || self.is_blocked() {
            return (waits && *line != Line::Empty) || self.waits_for_relay(line);
        }
        let waits = match line {
            Line::Ask(ask) => !ask.behind && waits,
            Line::Empty | Line::Command(_) | Line::Wrong(_) => false,
        };
        waits || self.waits_for_relay(line)
    }

    fn front_key(&self) -> Option<u64> {
        let queued = self.course.queue.back().and_then(|queued| queued.after);
        match &self.front {
            Foreground::Job(followed) => Some(followed.key),
            Foreground::Idle | Foreground::Log(_) | Foreground::Wait(_) => queued,
        }
    }

    /// Runs the next waiting line; `false` if none can run.
    fn run_next(&mut self) -> bool {
        let busy = match &self.front {
            Foreground::Idle | Foreground::Log(_) => self.is_blocked() || !self.next_fronts.is_empty(),
            Foreground::Job(_) | Foreground::Wait(_) => true,
        };
        let runs = |key: u64| self.jobs.listed().any(|entry| entry.key == key && !entry.item.is_over());
        let may_run = |queued: &Queued| !queued.after.is_some_and(runs);
        if busy
            || !self.course.queue.front().is_some_and(may_run)
            || matches!(self.course.leaving, ExitState::Ending(_))
        {
            return false;
        }
        let Some(queued) = self.course.queue.pop_front() else { return false };
        if self.waits_for_relay(&queued.line) {
            self.course.queue.push_front(queued);
            return false;
        }
        self.execute(&queued.typed, queued.line);
        self.before_prompt();
        true
    }

    fn execute(&mut self, typed: &str, line: Line) {
        match line {
            Line::Empty => {}
            Line::Ask(ask) => {
                self.echo(typed);
                if let Some(verb) = parse::near_miss(typed).filter(|_| self.interactive) {
                    self.print(Tone::Dim, &format!("did you mean {verb}? Enter sends the line to the model"));
                    return self.screen.prefill(&format!(" {typed}"));
                }
                self.ask(ask);
            }
            Line::Command(command) => {
                self.echo(typed);
                self.command(command);
            }
            Line::Wrong(what) => {
                self.echo(typed);
                self.print_error(&what);
                self.exit = self.exit.or(Exit::Usage);
            }
        }
    }

    fn echo(&mut self, typed: &str) {
        let text = format!("{}{}", self.shown_prompt, typed.trim_end());
        self.print(Tone::Echo, &text);
    }

    /// Announces, before a prompt is shown, the jobs that ended since the last one.
    pub fn before_prompt(&mut self) {
        self.announce_ends(false);
    }

    /// Announces background jobs that have ended: all of them, or only those that are announced at once.
    pub fn announce_ends(&mut self, only_at_once: bool) {
        let due: Vec<u32> = self
            .jobs
            .listed()
            .filter(|entry| {
                entry.item.outcome.is_some() || (entry.item.is_over() && entry.item.job().is_none())
            })
            .filter(|entry| !entry.item.in_front && (!only_at_once || entry.item.announce))
            .map(|entry| entry.number)
            .collect();
        let lines: Vec<String> = due
            .iter()
            .filter_map(|number| self.jobs.get(*number).map(|entry| (entry, self.jobs.mark(*number))))
            .map(|(entry, mark)| notice::notice(entry, mark))
            .collect();
        for line in lines {
            self.print(Tone::Plain, &line);
        }
        for number in due {
            self.report(number);
        }
    }

    /// Announces ended jobs that are announced at once.
    fn notice_ends(&mut self) {
        self.announce_ends(!self.config.notices_at_once);
    }

    fn interrupt(&mut self) {
        if !self.interactive {
            self.exit = Exit::Interrupted;
            return self.end_all("interrupted");
        }
        match std::mem::replace(&mut self.front, Foreground::Idle) {
            Foreground::Idle => {
                if !self.course.queue.is_empty() {
                    self.restore_queue();
                } else if matches!(self.course.leaving, ExitState::Ending(_)) {
                    self.course.leaving = ExitState::Now;
                }
            }
            Foreground::Job(followed) => {
                let number = followed.number;
                self.front = Foreground::Job(followed);
                self.restore_queue();
                // A group in the foreground is one foreground job, as in a shell.
                let group: Vec<u32> =
                    self.next_fronts.iter().filter_map(|key| self.jobs.number_of(*key)).collect();
                for number in group.into_iter().chain([number]) {
                    if let Some(item) = self.item_mut(number) {
                        item.cancel("interrupted", false);
                    }
                }
            }
            Foreground::Log(followed) => {
                self.unfollow(&followed);
                self.print(Tone::Dim, "the log is no longer followed; the job continues");
            }
            Foreground::Wait(_) => {
                self.restore_queue();
                self.print(Tone::Dim, "wait: interrupted; the jobs continue");
            }
        }
    }

    /// Puts the queued lines back into the editor: they may no longer fit.
    pub fn restore_queue(&mut self) {
        if self.course.queue.is_empty() || !self.interactive {
            return;
        }
        let typed: Vec<String> = self.course.queue.drain(..).map(|queued| queued.typed).collect();
        self.screen.prefill(&typed.join("\n"));
    }

    fn background(&mut self) {
        match &self.front {
            Foreground::Job(_) => self.front_behind(),
            Foreground::Log(_) | Foreground::Wait(_) => {
                self.print(Tone::Dim, "only a front stream goes to the background; Ctrl-C ends the wait");
            }
            Foreground::Idle if self.live().is_empty() => self.suspend(),
            Foreground::Idle => self.print(
                Tone::Dim,
                "no stream is in front; jobs lists the others, suspend returns to the shell",
            ),
        }
    }

    pub fn suspend(&mut self) {
        if let Err(error) = self.screen.suspend() {
            self.print_error(&format!("suspend: {error}"));
        }
    }

    fn end_of_input(&mut self) {
        if self.interactive {
            self.exit_asked();
        } else if self.course.leaving == ExitState::Not {
            self.course.leaving = ExitState::WhenDone;
        }
    }

    /// `exit`: must be given twice if jobs are running. Jobs on the relay continue.
    pub fn exit_asked(&mut self) {
        let (at_relay, here) = self.running();
        match self.course.leaving {
            ExitState::Not | ExitState::WhenDone if at_relay + here > 0 && self.interactive => {
                let (message, advice) = match (at_relay, here) {
                    (_, 0) => (
                        "There are running answers.",
                        "exit again leaves them running, kill --all cancels them",
                    ),
                    (0, _) => ("There are running jobs.", "exit (or Ctrl-D) again cancels them"),
                    (..) => (
                        "There are running answers and jobs.",
                        "exit again leaves those of the relay running, and cancels the others",
                    ),
                };
                self.print(Tone::Plain, message);
                self.print(Tone::Dim, advice);
                self.course.leaving = ExitState::Warned;
            }
            ExitState::Ending(_) => self.course.leaving = ExitState::Now,
            ExitState::Not | ExitState::WhenDone | ExitState::Warned | ExitState::Now => {
                self.detach_all();
                self.end_all("the prompt was left");
            }
        }
    }

    /// Cancels every job. The prompt ends when they have ended, or after a grace time.
    fn end_all(&mut self, reason: &str) {
        self.course.queue.clear();
        self.next_fronts.clear();
        for number in self.live() {
            if let Some(item) = self.item_mut(number) {
                item.cancel(reason, false);
            }
        }
        self.course.leaving = ExitState::Ending(Instant::now() + GRACE);
    }

    fn quit_if_due(&mut self) {
        let front_is_idle = match &self.front {
            Foreground::Idle | Foreground::Log(_) => true,
            Foreground::Job(_) | Foreground::Wait(_) => false,
        };
        let live = !self.live().is_empty();
        match self.course.leaving {
            ExitState::Not | ExitState::Warned | ExitState::Now => {}
            ExitState::WhenDone => {
                let idle = front_is_idle && self.course.queue.is_empty() && !self.is_blocked();
                if idle && !live && self.next_fronts.is_empty() {
                    self.announce_ends(false);
                    self.course.leaving = ExitState::Now;
                }
            }
            ExitState::Ending(until) => {
                if (!live && front_is_idle) || Instant::now() >= until {
                    self.record();
                    self.announce_ends(false);
                    self.course.leaving = ExitState::Now;
                }
            }
        }
    }

    /// The status row; `None` if there is nothing to show.
    fn status(&self) -> Option<Status> {
        let mut status = Status::default();
        match &self.front {
            Foreground::Idle => {}
            Foreground::Job(followed) => {
                if let Some(entry) = self.jobs.get(followed.number) {
                    (status.front, status.trouble) =
                        notice::status(&entry.item, &entry.name, self.config.stalled_after);
                    let tokens = entry.item.info().map_or(0, |info| info.tokens);
                    if let Some(context) = self.context().text(tokens).filter(|_| entry.item.is_answer()) {
                        status.front.push_str(&format!(", {context}"));
                    }
                }
            }
            Foreground::Log(followed) => {
                status.front = format!("following %{}; Ctrl-C stops following", followed.number)
            }
            Foreground::Wait(wait) => {
                let count = wait.keys.len();
                status.front = format!("waiting for {count} {}", if count == 1 { "job" } else { "jobs" });
                if let Some(until) = wait.until {
                    let left = until.saturating_duration_since(Instant::now());
                    status.front.push_str(&format!(", {} left", towline_app::text::units::running(left)));
                }
            }
        }
        status.others = self.others();
        (status != Status::default()).then_some(status)
    }

    fn others(&self) -> String {
        let behind = self.jobs.listed().filter(|entry| !entry.item.in_front);
        let mut counts: Vec<(&str, usize)> = Vec::new();
        let mut count = |what: &'static str| match counts.iter_mut().find(|(word, _)| *word == what) {
            Some((_, count)) => *count += 1,
            None => counts.push((what, 1)),
        };
        for entry in behind {
            count(match entry.item.word() {
                "Running" => "running",
                "Queued" => "queued",
                "Paused" => "paused",
                "Cancelling" => "cancelling",
                "Done" => "done",
                _ => "ended",
            });
        }
        let mut parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        match self.course.queue.len() {
            0 => {}
            1 => parts.push("1 line waits".to_owned()),
            more => parts.push(format!("{more} lines wait")),
        }
        parts.join(", ")
    }

    /// Keeps completion up to date.
    fn update_completion(&self) {
        let mut jobs: Vec<String> = self.jobs.listed().map(|entry| format!("%{}", entry.number)).collect();
        jobs.extend(self.jobs.listed().map(|entry| format!("%{}", entry.name)));
        jobs.dedup();
        self.known().jobs = jobs;
    }
}
