//! The keys.

use egui::{Grid, ScrollArea, Ui};

use crate::command::{Command, Dialog};
use crate::shortcuts::SHORTCUTS;

/// Keys that belong to what has the cursor.
const OTHERS: [(&str, &str); 5] = [
    ("Enter", "Send the question"),
    ("Shift+Enter", "Begin a line"),
    ("Escape", "Stop the answers of this chat, or close a dialog"),
    ("Ctrl and +, −, 0", "Larger, smaller, usual size"),
    ("Tab", "To the next button or field"),
];

/// Draws the keys.
pub fn show(ui: &mut Ui, out: &mut Vec<Command>) {
    ui.heading("Keys");
    ScrollArea::vertical().max_height(440.0).show(ui, |ui| {
        Grid::new("keys").striped(true).spacing([24.0, 4.0]).show(ui, |ui| {
            for shortcut in SHORTCUTS {
                ui.monospace(ui.ctx().format_shortcut(&shortcut.keys));
                ui.label(shortcut.what);
                ui.end_row();
            }
            for (keys, what) in OTHERS {
                ui.monospace(keys);
                ui.label(what);
                ui.end_row();
            }
        });
    });
    if ui.button("Close").clicked() {
        out.push(Command::Show(Dialog::None));
    }
}
