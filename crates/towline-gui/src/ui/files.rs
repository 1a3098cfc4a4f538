//! The path of a file, where the desktop shows no dialog for it.

use std::path::PathBuf;

use egui::{Key, Label, TextEdit, Ui};

use crate::command::{Command, Dialog, Purpose};

/// Asks for a path.
pub fn path(ui: &mut Ui, purpose: &Purpose, why: &str, text: &mut String, out: &mut Vec<Command>) {
    let (title, words) = match purpose {
        Purpose::Attach(_) => ("Add a file to the question", "Add file"),
        Purpose::Import => ("Import a chat", "Import file"),
        Purpose::Export(..) => ("Export the chat", "Write file"),
    };
    ui.heading(title);
    ui.add(Label::new(why).wrap());
    let field = TextEdit::singleline(text).hint_text("~/Documents/notes.txt").desired_width(f32::INFINITY);
    let field = ui.add(field).accessible_name("Path of the file");
    let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if !field.has_focus() && !is_entered {
        field.request_focus();
    }
    ui.horizontal(|ui| {
        let may = !text.trim().is_empty();
        if (ui.add_enabled(may, egui::Button::new(words)).clicked() || is_entered) && may {
            out.push(Command::Chosen(purpose.clone(), vec![expanded(text.trim())]));
        }
        if ui.button("Cancel").clicked() {
            out.push(Command::Show(Dialog::None));
        }
    });
}

/// A path as a shell reads it: `~` is the home folder.
fn expanded(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (_, _) => PathBuf::from(text),
    }
}
