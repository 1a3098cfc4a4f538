//! `:export`: the conversation as Markdown or as one JSON document.

use std::path::PathBuf;

use towline_app::chat::export;

use crate::prompt::background_task::Done;
use crate::prompt::command::ExportKind;
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

impl Prompt<'_> {
    pub(super) fn export(&mut self, kind: ExportKind, path: Option<PathBuf>) {
        let title = self.session.name().unwrap_or("Conversation").to_owned();
        let text = match kind {
            ExportKind::Markdown => export::markdown(&title, &self.chat),
            ExportKind::Json => export::json(&title, &self.chat),
        };
        match path {
            None => self.print(Tone::Plain, text.trim_end()),
            Some(path) => self.blocking_task("export", move || {
                let shown = path.display();
                let mut options = std::fs::OpenOptions::new();
                let mut file = options.write(true).create_new(true).open(&path).map_err(|error| {
                    if error.kind() == std::io::ErrorKind::AlreadyExists {
                        format!("{shown} already exists")
                    } else {
                        format!("{shown} cannot be written: {error}")
                    }
                })?;
                let wrote = std::io::Write::write_all(&mut file, text.as_bytes());
                wrote.map_err(|error| format!("{shown} cannot be written: {error}"))?;
                Ok(Done::Said(format!("written to {shown}")))
            }),
        }
    }
}
