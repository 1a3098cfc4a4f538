//! `:template`.

use towline_app::settings::templates::{self, Template};

use crate::prompt::background_task::Done;
use crate::prompt::command::{Change, FormatArg};
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

impl Prompt<'_> {
    pub(super) fn template(&mut self, name: Option<String>, text: String) {
        let Some(folder) = templates::folder() else {
            return self.print_error("template: there is no home folder, so there are no templates");
        };
        let Some(name) = name else {
            self.blocking_task("template", move || {
                let names = templates::names(&folder);
                let none = || format!("there is no template in {}", folder.display());
                Ok(Done::Shown(if names.is_empty() { none() } else { names.join("\n") }))
            });
            return;
        };
        self.blocking_task("template", move || {
            Ok(Done::Template(Box::new(templates::read(&folder, &name)?), text))
        });
    }

    /// Applies the template's settings to the conversation, and puts its question into the editor, to be
    /// changed or sent.
    pub fn use_template(&mut self, template: Template, text: String) {
        let question = template.begin(&mut self.chat.settings, &text);
        match template.schema_file() {
            Some(schema) => self.set_format(Some(Change::To(FormatArg::Schema(schema)))),
            None => self.write_settings(),
        }
        if Template::has_fields(&question) {
            self.print(Tone::Dim, "replace what is between {{ and }}");
        }
        self.screen.prefill(&question);
    }
}
