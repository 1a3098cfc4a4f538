//! `:export`: the conversation as Markdown or as one JSON document.

use std::path::PathBuf;

use serde_json::{Value, json};
use towline_app::chat::{Conversation, Turn};

use crate::repl::chore::Done;
use crate::repl::command::ExportKind;
use crate::repl::screen::Tone;
use crate::repl::state::Prompt;

impl Prompt<'_> {
    pub(super) fn export(&mut self, kind: ExportKind, path: Option<PathBuf>) {
        let text = match kind {
            ExportKind::Markdown => markdown(&self.chat),
            ExportKind::Json => format!("{:#}\n", document(&self.chat)),
        };
        match path {
            None => self.say(Tone::Plain, text.trim_end()),
            Some(path) => self.blocking_chore("export", move || {
                let shown = path.display();
                let mut options = std::fs::OpenOptions::new();
                let mut file = options.write(true).create_new(true).open(&path).map_err(|error| {
                    if error.kind() == std::io::ErrorKind::AlreadyExists {
                        format!("{shown} is there already")
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

/// The conversation for people.
fn markdown(chat: &Conversation) -> String {
    let mut text = String::new();
    if let Some(system) = &chat.settings.system {
        text.push_str(&format!("> {}\n\n", system.replace('\n', "\n> ")));
    }
    for turn in chat.turns() {
        text.push_str(&format!("## {}\n\n", heading(&turn.question.content)));
        if turn.question.content.trim().contains('\n') || turn.question.content.chars().count() > HEADING {
            text.push_str(&format!("{}\n\n", turn.question.content.trim_end()));
        }
        text.push_str(&format!("*{}*\n\n{}\n\n", turn.model, turn.answer.content.trim_end()));
        if turn.answered.is_partial() {
            text.push_str(&format!("*(not whole: {})*\n\n", turn.answered.as_str()));
        }
    }
    text
}

/// The longest heading, in characters.
const HEADING: usize = 100;

fn heading(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default();
    line.chars().take(HEADING).collect()
}

/// The conversation for programs; described in `docs/prompt.md`.
fn document(chat: &Conversation) -> Value {
    let settings = &chat.settings;
    json!({
        "version": 1,
        "settings": {
            "model": settings.model,
            "system": settings.system,
            "options": settings.options,
            "think": settings.think,
            "format": settings.format,
        },
        "turns": chat.turns().iter().map(turn_document).collect::<Vec<_>>(),
    })
}

fn turn_document(turn: &Turn) -> Value {
    json!({
        "model": turn.model,
        "question": turn.question,
        "answer": turn.answer,
        "ending": turn.answered.as_str(),
        "usage": turn.usage,
    })
}
