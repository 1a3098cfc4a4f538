//! `:history`, `:load`, `:save`.

use jiff::Timestamp;
use towline_app::history::{History, SearchHit};
use towline_app::text::{safe, units};

use crate::output::table::padded;
use crate::prompt::background_task::Done;
use crate::prompt::complete::CompletionData;
use crate::prompt::session;
use crate::prompt::state::{Foreground, Prompt};
use crate::server::models;
use crate::term::screen::Tone;

/// Number of listed conversations.
const LISTED: usize = 15;
/// Maximum length of a shown title or match, in characters.
const WORDS_CHARS: usize = 36;
const NONE: &str =
    "conversations are not written: history is off, the prompt has no terminal, or there is no home folder";

impl Prompt<'_> {
    pub(super) fn save(&mut self, name: Option<String>) {
        if self.session.path().is_none() {
            return self.print_error(&format!("save: {NONE}"));
        }
        let begun = self.session.has_begun();
        let Some(name) = name else {
            let message = match (begun, self.session.name()) {
                (true, _) => {
                    "the history has everything as it arrives; :save NAME names the conversation".to_owned()
                }
                (false, Some(name)) => format!("{name} starts with the first question"),
                (false, None) => {
                    "the conversation starts with the first question; :save NAME names it".to_owned()
                }
            };
            return self.print(Tone::Dim, &message);
        };
        match self.session.rename(&name) {
            Err(error) => self.print_error(&format!("save: {error}")),
            Ok(Some(renaming)) => self.blocking_task("save", move || {
                renaming().map_err(|error| error.to_string())?;
                Ok(Done::Said(format!("the history has everything as it arrives, under {name}")))
            }),
            Ok(None) => self.print(Tone::Dim, &format!("{name} starts with the first question")),
        }
    }

    pub(super) fn load(&mut self, name: &str) {
        let pending =
            self.jobs.listed().any(|entry| !entry.item.is_over() && self.answer_of(&entry.item).is_some());
        if pending || matches!(self.front, Foreground::Job(_)) {
            return self
                .print_error("load: answers of this conversation still run; wait for them or kill them");
        }
        if self.session.name() == Some(name) && self.session.has_begun() {
            return self.print(Tone::Dim, "this conversation is already open");
        }
        // Ollama's own `/load` also takes a model.
        let is_model = |known: &CompletionData| {
            !known.conversations.iter().any(|known| known == name)
                && known.models.iter().any(|known| models::is_named(known, name))
        };
        if is_model(&self.known()) {
            return self.set_model(Some(name.to_owned()));
        }
        let (Some(path), name) = (self.session.path().map(ToOwned::to_owned), name.to_owned()) else {
            return self.print_error(&format!("load: {NONE}"));
        };
        let writer = self.session.writer().filter(|_| self.asked.relay.is_some());
        self.blocking_task("load", move || Ok(Done::Loaded(session::open(&path, &name, writer)?)));
    }

    pub(super) fn history(&mut self, text: Vec<String>) {
        let Some(path) = self.session.path().map(ToOwned::to_owned) else {
            return self.print_error(&format!("history: {NONE}"));
        };
        let text = text.join(" ");
        self.blocking_task("history", move || {
            let history = History::open(&path).map_err(|error| error.to_string())?;
            let found = if text.trim().is_empty() {
                let all = history.list(LISTED);
                all.map(|all| {
                    all.into_iter().map(|chat| SearchHit { around: chat.title.clone(), chat }).collect()
                })
            } else {
                history.search(&text, LISTED)
            };
            found.map(Done::Found).map_err(|error| error.to_string())
        });
    }

    /// Lists conversations, and offers them for completion with Tab.
    pub fn list_found(&mut self, found: Vec<SearchHit>) {
        if found.is_empty() {
            return self.print(Tone::Plain, "there is no such conversation");
        }
        let now = Timestamp::now();
        let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
        let names = found.iter().map(|found| width(&found.chat.name)).max().unwrap_or(0);
        for SearchHit { chat, around } in &found {
            let mark = if Some(chat.name.as_str()) == self.session.name() { '*' } else { ' ' };
            let written = Timestamp::from_millisecond(chat.updated_ms).unwrap_or_default();
            let age = units::when(&written.to_string(), now);
            let words: String = safe::text(around).chars().take(WORDS_CHARS).collect();
            self.print(Tone::Plain, &format!("{mark} {}  {age:<12}  {words}", padded(&chat.name, names)));
        }
        self.known().conversations = found.into_iter().map(|found| found.chat.name).collect();
        if self.interactive && matches!(self.front, Foreground::Idle) {
            self.screen.prefill(":load ");
            self.print(Tone::Dim, "Tab moves through them; Enter continues the chosen one");
        }
    }
}
