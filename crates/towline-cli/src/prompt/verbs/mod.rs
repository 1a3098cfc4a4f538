//! What each verb does.

mod again;
mod attach;
mod control;
mod export;
mod help;
mod history;
mod listing;
mod reading;
mod relay;
mod settings;
mod sink;
mod template;
mod wait;

use towline_app::answers::Verb;

use super::command::{Bare, Colon, Command, Files, Jobs, OneJob, Reading, SomeJobs};
use super::state::Prompt;
use crate::args::DeadlineArg;
use crate::term::screen::Tone;

/// Number of lines that `tail` shows first.
const TAIL_LINES: usize = 10;

impl Prompt<'_> {
    /// Executes a command.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Bare(bare) => self.bare(bare),
            Command::Colon(colon) => self.colon(colon),
        }
    }

    fn bare(&mut self, command: Bare) {
        match command {
            Bare::Jobs(listing) => self.list_jobs(listing),
            Bare::Fg(OneJob { job }) => self.fg(job.as_ref()),
            Bare::Bg(Jobs { jobs }) => self.bg(&jobs),
            Bare::Kill { hard, targets } => self.kill(hard, &targets),
            Bare::Pause(SomeJobs { jobs }) => self.pause(&jobs),
            Bare::Unpause(SomeJobs { jobs }) => self.unpause(&jobs),
            Bare::Wait(waiting) => self.wait_for(&waiting),
            Bare::Timeout { job, deadline: DeadlineArg(deadline) } => self.timeout(&job, deadline),
            Bare::Log(reading) => self.log(&reading),
            Bare::Tail(reading) => {
                self.log(&Reading { follow: true, lines: reading.lines.or(Some(TAIL_LINES)), ..reading });
            }
            Bare::Retry(OneJob { job }) => self.retry(job.as_ref()),
            Bare::Edit(OneJob { job }) => self.edit(job.as_ref()),
            Bare::Keep(OneJob { job }) => self.keep_answer(job.as_ref()),
            Bare::Rename { job, name } => self.rename(&job, &name),
            Bare::Limit { limit } => self.limit_to(limit),
            Bare::Pipe { piping } => self.pipe(&piping),
            Bare::Set(set) => self.set(&set),
            Bare::Disown(OneJob { job }) => self.disown(job.as_ref()),
            Bare::Suspend => self.suspend(),
            Bare::Exit => self.exit_asked(),
            Bare::Help { topic } => self.help(topic),
        }
    }

    fn colon(&mut self, command: Colon) {
        match command {
            Colon::Continue(OneJob { job }) => self.continue_answer(job.as_ref()),
            Colon::Model { model } => self.set_model(model),
            Colon::Models => self.list_models(),
            Colon::Show { part } => self.show_model(part),
            Colon::Pull { model, behind } => self.pull_model(model, behind),
            Colon::System { text } => self.set_system(text),
            Colon::Think { level } => self.set_think(level),
            Colon::Format { format } => self.set_format(format),
            Colon::Image(Files { paths }) => self.attach_images(paths),
            Colon::File(Files { paths }) => self.attach_files(paths),
            Colon::Url { urls } => self.attach_pages(urls),
            Colon::Template { name, text } => self.template(name, text.join(" ")),
            Colon::Unfold(OneJob { job }) => self.unfold(job.as_ref()),
            Colon::Copy { copying } => self.copy_answer(&copying),
            Colon::Forget { names } => {
                names.iter().for_each(|name| self.elsewhere("forget", Verb::Forget, name));
            }
            Colon::Clean => self.clean(),
            Colon::Clear => self.clear(),
            Colon::Save { name } => self.save(name),
            Colon::Load { name } => self.load(&name),
            Colon::History { text } => self.history(text),
            Colon::Export { kind, path } => self.export(kind, path),
        }
    }

    fn clear(&mut self) {
        self.chat.clear();
        self.attached.clear();
        self.jobs.forget_reported();
        self.last = None;
        if self.session.has_begun() {
            self.write(&towline_app::chat::session::clear());
        }
        self.print(Tone::Dim, "the conversation starts again; its settings are kept");
    }
}
