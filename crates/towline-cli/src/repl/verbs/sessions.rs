//! `:save`, `:load`, `:sessions`.

use crate::repl::chore::{Done, load};
use crate::repl::screen::Tone;
use crate::repl::session;
use crate::repl::state::{Front, Prompt};

impl Prompt<'_> {
    pub(super) fn save(&mut self, name: Option<String>) {
        if !self.session.is_written() {
            return self.wrong(
                "save: sessions are not written: the configuration says so, or there is no home folder",
            );
        }
        if let Some(name) = name
            && let Err(error) = self.session.rename(&name)
        {
            return self.wrong(&format!("save: {error}"));
        }
        let said = match (self.session.path(), self.session.name()) {
            (Some(path), _) => format!("everything is in {} as it comes", path.display()),
            (None, Some(name)) => format!("{name} begins with the first question"),
            (None, None) => "the session begins with the first question; :save NAME names it".to_owned(),
        };
        self.say(Tone::Dim, &said);
    }

    pub(super) fn load(&mut self, name: &str) {
        let pending =
            self.jobs.listed().any(|entry| !entry.item.is_over() && self.turn_of(&entry.item).is_some());
        if pending || matches!(self.front, Front::Job(_)) {
            return self
                .wrong("load: answers of this conversation are on their way; wait for them or kill them");
        }
        if self.session.name().as_deref() == Some(name) && self.session.has_file() {
            return self.say(Tone::Dim, "this is the session");
        }
        let known = self.known().sessions.clone();
        match session::named(known.as_deref(), name) {
            Ok(path) => self.blocking_chore("load", move || load(path)),
            Err(error) => self.wrong(&format!("load: {error}")),
        }
    }

    pub(super) fn sessions(&mut self) {
        let folder = self.known().sessions.clone();
        match folder {
            Some(folder) => {
                self.blocking_chore("sessions", move || Ok(Done::Sessions(session::list(&folder))))
            }
            None => self.say(Tone::Plain, "sessions are not written"),
        }
    }
}
