//! `:template`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use towline::api::Format;
use towline_app::settings::templates::{self, Template};

use crate::prompt::background_task::Done;
use crate::prompt::command::{Change, FormatArg};
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

impl Prompt<'_> {
    pub(super) fn template(&mut self, name: Option<String>, text: String) {
        let Some(folder) = templates::folder() else {
            return self.wrong("template: there is no home folder, so there are no templates");
        };
        let Some(name) = name else {
            self.blocking_chore("template", move || {
                let names = templates::names(&folder);
                let none = || format!("there is no template in {}", folder.display());
                Ok(Done::Shown(if names.is_empty() { none() } else { names.join("\n") }))
            });
            return;
        };
        self.blocking_chore("template", move || {
            Ok(Done::Template(Box::new(templates::read(&folder, &name)?), text))
        });
    }

    /// Its settings become the conversation's, its question comes into the line, to be changed or sent.
    pub fn use_template(&mut self, template: Template, text: String) {
        let settings = &mut self.chat.settings;
        settings.options.0.extend(template.options.0.clone());
        settings.system = template.system.clone().or(settings.system.take());
        settings.think = template.think.clone().or(settings.think.take());
        if let Some(model) = &template.model {
            settings.model.clone_from(model);
        }
        match template.format.as_deref() {
            None => {}
            Some("json") => settings.format = Some(Format::Json),
            Some(schema) => self.set_format(Some(Change::To(FormatArg::Schema(PathBuf::from(schema))))),
        }
        self.write_settings();
        let mut known = BTreeMap::from([("date".to_owned(), jiff::Zoned::now().date().to_string())]);
        if !text.is_empty() {
            known.insert("input".to_owned(), text);
        }
        let question = template.fill(&known);
        let left = Template { text: question.clone(), ..Template::default() };
        if !left.fields().is_empty() {
            self.say(Tone::Dim, "replace what is between {{ and }}");
        }
        self.screen.prefill(&question);
    }
}
