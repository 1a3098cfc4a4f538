//! What each verb does.

mod again;
mod attach;
mod control;
mod export;
mod help;
mod listing;
mod reading;
mod relay;
mod sessions;
mod settings;
mod sink;
mod wait;

use super::command::Command;
use super::screen::Tone;
use super::state::Prompt;

impl Prompt<'_> {
    /// Does what a command says.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Jobs(listing) => self.list_jobs(listing),
            Command::Fg(spec) => self.fg(spec.as_ref()),
            Command::Bg(specs) => self.bg(&specs),
            Command::Kill { hard, targets } => self.kill(hard, &targets),
            Command::Stop(specs) => self.stop(&specs),
            Command::Cont(specs) => self.cont(&specs),
            Command::Wait(waiting) => self.wait_for(&waiting),
            Command::Timeout(spec, deadline) => self.timeout(&spec, deadline),
            Command::Log(reading) => self.log(&reading),
            Command::Retry(spec) => self.retry(spec.as_ref()),
            Command::Continue(spec) => self.go_on(spec.as_ref()),
            Command::Edit(spec) => self.edit(spec.as_ref()),
            Command::Keep(spec) => self.keep(spec.as_ref()),
            Command::Name(spec, name) => self.name(&spec, &name),
            Command::Limit(limit) => self.limit_to(limit),
            Command::Pipe(spec, sink) => self.pipe(spec.as_ref(), &sink),
            Command::Notify(when) => self.notices = when,
            Command::Option { key, value } => self.set_option(&key, &value),
            Command::Settings => self.show_settings(),
            Command::Disown(spec) => self.disown(spec.as_ref()),
            Command::Suspend => self.suspend(),
            Command::Exit => self.exit_asked(),
            Command::Model(model) => self.set_model(model),
            Command::Models => self.list_models(),
            Command::Pull { model, behind } => self.pull_model(model, behind),
            Command::System(change) => self.set_system(change),
            Command::Think(change) => self.set_think(change),
            Command::Format(change) => self.set_format(change),
            Command::Image(paths) => self.attach_images(paths),
            Command::File(paths) => self.attach_files(paths),
            Command::Unfold(spec) => self.unfold(spec.as_ref()),
            Command::Copy(spec) => self.copy_answer(spec.as_ref()),
            Command::Clear => self.clear(),
            Command::Save(name) => self.save(name),
            Command::Load(name) => self.load(&name),
            Command::Sessions => self.sessions(),
            Command::Export(kind, path) => self.export(kind, path),
            Command::Help(topic) => self.help(topic),
        }
    }

    fn clear(&mut self) {
        self.chat.clear();
        self.attached.clear();
        self.jobs.forget_reported();
        self.last = None;
        if self.session.has_file() {
            self.write(&towline_app::chat::session::clear());
        }
        self.say(Tone::Dim, "the conversation begins anew; its settings stay");
    }
}
