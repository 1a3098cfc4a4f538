//! Asks for the path of a file if the desktop has no file dialog.

use std::path::PathBuf;

use egui::{Label, Ui};

use super::dialog::{self, TextQuestion};
use crate::command::{Command, Commands, Purpose};

/// Asks for a path.
pub fn path(ui: &mut Ui, purpose: &Purpose, why: &str, text: &mut String, out: &mut Commands) {
    let (title, button) = match purpose {
        Purpose::Attach(_) => ("Add a file to the question", "Add file"),
        Purpose::Import => ("Import a chat", "Import file"),
        Purpose::Export(..) => ("Export the chat", "Write file"),
    };
    dialog::title(ui, title);
    ui.add(Label::new(why).wrap());
    let command = |text: String| Command::Chosen(purpose.clone(), vec![expanded(&text)]);
    let (name, example) = ("Path of the file", "~/Documents/notes.txt");
    dialog::ask(ui, &TextQuestion { name, example, button, may_be_empty: false }, text, command, out);
}

/// Expands a path as a shell does: `~` is the home folder.
fn expanded(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (_, _) => PathBuf::from(text),
    }
}
