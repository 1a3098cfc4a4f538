//! The prompt's access to a relay: its other answers in `jobs`, the verbs for them, and `disown`.

use std::collections::HashSet;
use std::sync::Arc;

use towline::Message;
use towline::engine::StartAt;
use towline::relay::{Control, Filter, Job};
use towline_app::answers::{self, Verb, state_words};
use towline_app::text::{safe, units};

use super::control::following;
use crate::output::json;
use crate::prompt::background_task::Done;
use crate::prompt::command::{Line, Listing, Waiting};
use crate::prompt::item::{Item, Kind};
use crate::prompt::jobs::Entry;
use crate::prompt::spec::Spec;
use crate::prompt::state::{Foreground, Prompt};
use crate::prompt::{notice, parse};
use crate::server::UNARY_TIMEOUTS;
use crate::term::screen::Tone;

/// Verbs that take the name of one of the relay's answers without a colon, if the relay has an answer with
/// that name.
const VERBS: [&str; 13] = [
    "fg", "attach", "kill", "pause", "stop", "unpause", "cont", "timeout", "rename", "name", "retry", "log",
    "wait",
];

impl Prompt<'_> {
    /// Parses a line. `kill story` is a command if the relay has an answer with this name.
    pub fn understood(&self, typed: &str) -> Line {
        let mut words = typed.split_whitespace();
        let is_named = words.next().is_some_and(|verb| VERBS.contains(&verb))
            && words.next().is_some_and(|name| self.known().answers.iter().any(|known| known == name))
            && words.count() <= 1;
        let line = if self.interactive { parse::of_person(typed) } else { parse::line(typed) };
        match line {
            Line::Ask(_) if is_named => parse::line(&format!(":{}", typed.trim())),
            line @ (Line::Empty | Line::Ask(_) | Line::Command(_) | Line::Wrong(_)) => line,
        }
    }

    /// The relay's answer that a jobspec names, if no job in the table has that name.
    pub(super) fn named_elsewhere(&self, spec: &Spec) -> Option<String> {
        match spec {
            Spec::Named(name) if self.jobs.resolve(spec, false).is_err() => Some(name.clone()),
            Spec::Named(_)
            | Spec::Number(_)
            | Spec::Current
            | Spec::Previous
            | Spec::Begins(_)
            | Spec::Contains(_) => None,
        }
    }

    fn control(&self) -> Option<Control> {
        let relay = self.asked.relay.as_ref()?;
        Some(relay.client.with_request_config(|config| config.timeouts = UNARY_TIMEOUTS).relay())
    }

    /// The control of an answer on the relay; reports an error if there is no relay.
    fn controlled(&mut self, name: &str, handle: &str) -> Option<Control> {
        let control = self.control();
        if control.is_none() {
            self.print_error(&format!("{name}: {handle}: no such job here, and the prompt uses no relay"));
        }
        control
    }

    /// Applies a verb to an answer of the relay that is not in the table.
    pub(super) fn elsewhere(&mut self, name: &'static str, verb: Verb, handle: &str) {
        let Some(control) = self.controlled(name, handle) else { return };
        let handle = handle.to_owned();
        self.in_background(name, true, async move {
            let job = verb.apply(&control, &handle).await.map_err(|error| error.message)?;
            Ok(Done::Said(done_message(&verb, &job)))
        });
    }

    /// Cancels the other answers of the relay.
    pub(super) fn kill_elsewhere(&mut self) {
        let Some(control) = self.control() else { return };
        let own = self.own_at_relay();
        self.in_background("kill", true, async move {
            let filter = Filter { running: Some(true), ..Filter::default() };
            let jobs = control.list(&filter).await.map_err(|error| error.message)?;
            let verb = Verb::Kill("killed".to_owned());
            let mut lines = Vec::new();
            for job in jobs.into_iter().filter(|job| !own.contains(&job.id)) {
                let job = verb.apply(&control, &job.id).await.map_err(|error| error.message)?;
                lines.push(done_message(&verb, &job));
            }
            Ok(if lines.is_empty() { Done::Nothing } else { Done::Said(lines.join("\n")) })
        });
    }

    /// Deletes the relay's ended answers.
    pub(super) fn clean(&mut self) {
        let Some(control) = self.controlled("clean", "answers") else { return };
        self.in_background("clean", true, async move {
            let filter = Filter { running: Some(false), ..Filter::default() };
            let jobs = control.list(&filter).await.map_err(|error| error.message)?;
            for job in &jobs {
                control.delete(&job.id).await.map_err(|error| error.message)?;
            }
            let count = jobs.len();
            Ok(Done::Said(format!("forgot {count} {}", if count == 1 { "answer" } else { "answers" })))
        });
    }

    /// Reads an answer of the relay, given by name or id, from its beginning.
    pub(super) fn attach_named(&mut self, handle: &str) {
        let Some(control) = self.controlled("fg", handle) else { return };
        let handle = handle.to_owned();
        self.in_background("fg", true, async move {
            let job = control.find(&handle).await.map_err(|error| error.message)?;
            Ok(Done::ToRead(Box::new(job)))
        });
    }

    /// Brings an answer of the relay to the foreground. If it was asked elsewhere, Ctrl-C only ends the
    /// reading.
    pub fn read_elsewhere(&mut self, job: &Job) {
        if let Some(number) = self.number_at_relay(&job.id) {
            return self.fg(Some(&Spec::Number(number)));
        }
        if matches!(self.front, Foreground::Job(_)) {
            self.front_behind();
        }
        let number = self.read_in_background(job);
        if let Some(Entry { key, item, .. }) = self.jobs.get(number)
            && let Some(job) = item.job()
        {
            self.front = Foreground::Log(following(*key, number, job.reader(StartAt::Beginning)));
        }
    }

    /// The listed job that reads the relay's answer with this id.
    fn number_at_relay(&self, id: &str) -> Option<u32> {
        let is_its = |item: &Item| {
            !item.disowned && item.job().and_then(towline::Job::relay_id).as_deref() == Some(id)
        };
        self.jobs.listed().find(|entry| is_its(&entry.item)).map(|entry| entry.number)
    }

    /// Makes a background job that reads an answer of the relay which was asked elsewhere.
    fn read_in_background(&mut self, job: &Job) -> u32 {
        let handle = answers::handle(job).to_owned();
        let question = job.question.clone().unwrap_or_default();
        let read = self.attach(&job.id, &handle);
        let model = job.model.clone().unwrap_or_default();
        let asked = Message::user(question.clone());
        let mut item = Item::started(Kind::Elsewhere, &model, asked, read);
        item.update_from_relay(job);
        let number = self.jobs.add(&handle, &question, item);
        self.jobs.touch(number);
        if let Some(title) = self.jobs.get(number).map(notice::title) {
            self.print(Tone::Plain, &format!("[{number}] {title}"));
        }
        number
    }

    /// Waits for answers of the relay, given by name or id, among other jobs.
    pub(super) fn wait_elsewhere(&mut self, handles: Vec<String>, waiting: Waiting) {
        let Some(control) = handles.first().and_then(|handle| self.controlled("wait", handle)) else {
            return;
        };
        self.in_background("wait", true, async move {
            let mut jobs = Vec::new();
            for handle in &handles {
                jobs.push(control.find(handle).await.map_err(|error| error.message)?);
            }
            Ok(Done::ToWait(jobs, waiting))
        });
    }

    /// Waits for jobs, including jobs that only the relay has: each of these is read in the background.
    pub fn wait_at_relay(&mut self, jobs: Vec<Job>, mut waiting: Waiting) {
        let mut jobs = jobs.iter();
        for at in 0..waiting.jobs.len() {
            if self.named_elsewhere(&waiting.jobs[at]).is_some()
                && let Some(job) = jobs.next()
            {
                let number = self.number_at_relay(&job.id).unwrap_or_else(|| self.read_in_background(job));
                waiting.jobs[at] = Spec::Number(number);
            }
        }
        self.wait_for(&waiting);
    }

    /// Leaves a job to the relay, so that it survives the exit.
    pub(super) fn disown(&mut self, spec: Option<&Spec>) {
        let Some(number) = self.listed("disown", spec) else { return };
        if self.asked.relay.is_none() {
            return self.print_error(&format!(
                "disown: %{number} cannot be detached: no relay runs it, so it ends with towline"
            ));
        }
        if !self.detach_job(number) {
            self.print_error(&format!("disown: %{number} is not on the relay yet, or has ended"));
        }
    }

    /// Leaves a job to the relay that runs it; `false` if no relay runs it.
    fn detach_job(&mut self, number: u32) -> bool {
        // The history records the answers that are left to the relay.
        self.note_relay(number);
        let is_gone = self.asked.relay.as_ref().is_some_and(|relay| relay.is_gone());
        let Some(entry) = self.jobs.get_mut(number) else { return false };
        let (item, handle) = (&mut entry.item, entry.handle.clone());
        let is_lost = is_gone || item.job().is_some_and(towline::Job::is_away);
        let is_elsewhere = item.is_elsewhere();
        let Some(id) = item.detach() else { return false };
        if !is_elsewhere {
            // If the relay has not reported its name yet.
            let name = handle.as_deref().unwrap_or(&id);
            let message = match is_lost {
                false => format!("%{number} continues without the prompt; towline attach {name} reads it"),
                true => format!(
                    "%{number} is detached; the relay is out of reach, so it is not known whether it still runs. towline attach {name} shows it"
                ),
            };
            self.print(Tone::Plain, &message);
        }
        true
    }

    /// Leaves all jobs that a relay runs to the relay.
    pub fn detach_all(&mut self) {
        for number in self.live() {
            self.detach_job(number);
        }
    }

    /// The number of running jobs of this prompt: on the relay, and in this process.
    pub fn running(&self) -> (usize, usize) {
        let live = self.jobs.listed().filter(|entry| !entry.item.is_over() && !entry.item.is_elsewhere());
        let is_there = |item: &Item| item.job().and_then(towline::Job::relay_id).is_some();
        let there: Vec<bool> = live.map(|entry| is_there(&entry.item)).collect();
        let at_relay = there.iter().filter(|is_there| **is_there).count();
        (at_relay, there.len() - at_relay)
    }

    /// The relay's ids of the jobs in the table.
    fn own_at_relay(&self) -> HashSet<String> {
        let own = self.jobs.listed().chain(self.jobs.reported());
        let own = own.filter(|entry| !entry.item.disowned);
        own.filter_map(|entry| entry.item.job()?.relay_id()).map(|id: Arc<str>| id.to_string()).collect()
    }

    /// Asks for the relay's answers that are not in the table: running ones are listed, and the names of all
    /// are remembered.
    pub(super) fn list_relay_jobs(&mut self, listing: Listing) {
        let Some(control) = self.control() else { return };
        let own = self.own_at_relay();
        self.in_background("jobs", true, async move {
            let jobs = control.list(&Filter::default()).await.map_err(|error| error.message)?;
            let others = jobs.iter().filter(|job| !job.state.is_ended() && !own.contains(&job.id));
            let lines = others.map(|job| relay_line(job, listing)).collect();
            Ok(Done::RelayJobs(lines, names(&jobs)))
        });
    }

    /// Asks for the relay's name of an answer of this prompt.
    pub fn learn_handle(&mut self, id: &str) {
        let Some(control) = self.control() else { return };
        let id = id.to_owned();
        self.in_background("answers", false, async move {
            // Without its name it can still be found by its number.
            let job = control.job(&id).await.ok();
            Ok(job.map_or(Done::Nothing, |job| Done::Named(Box::new(job))))
        });
    }

    /// Notes the relay's name of an answer of this prompt.
    pub fn named(&mut self, job: &Job) {
        let handle = answers::handle(job).to_owned();
        let number = self.number_at_relay(&job.id);
        if let Some(entry) = number.and_then(|number| self.jobs.get_mut(number)) {
            entry.handle = Some(handle.clone());
            entry.item.update_from_relay(job);
        }
        self.known().answers.push(handle);
    }

    /// Asks for the names of the relay's answers.
    pub fn learn_answers(&mut self) {
        let Some(control) = self.control() else { return };
        self.in_background("answers", false, async move {
            // If the relay does not answer, a line that names one is a question.
            let jobs = control.list(&Filter::default()).await.unwrap_or_default();
            Ok(Done::RelayJobs(Vec::new(), names(&jobs)))
        });
    }
}

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().filter_map(|job| job.name.clone()).filter(|name| !name.is_empty()).collect()
}

/// Describes what was done with an answer.
fn done_message(verb: &Verb, job: &Job) -> String {
    let handle = answers::handle(job);
    match (verb, job.deadline_s) {
        (Verb::Deadline(_), Some(left)) => {
            let left = std::time::Duration::try_from_secs_f64(left.max(0.0)).unwrap_or_default();
            format!("{handle}  ends in {} at the latest", units::running(left))
        }
        (Verb::Deadline(_), None) => format!("{handle}  has no deadline"),
        (Verb::Rename(_), _) => format!("{handle}  is its new name"),
        (Verb::Forget, _) => format!("{handle}  is forgotten"),
        (Verb::Kill(_) | Verb::Pause | Verb::Unpause | Verb::Retry, _) => {
            format!("{handle}  {}", state_words(job))
        }
    }
}

fn relay_line(job: &Job, listing: Listing) -> String {
    if listing.json {
        return json::line(job).trim_end().to_owned();
    }
    let model = job.model.as_deref().unwrap_or("-");
    let question = notice::first_words(&safe::text(job.question.as_deref().unwrap_or_default()));
    let id = if listing.long { format!("  {}", job.id) } else { String::new() };
    format!("relay  {}  {}  {model}  {question}{id}", answers::handle(job), state_words(job))
}
