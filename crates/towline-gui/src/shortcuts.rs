//! The keyboard shortcuts. This list is the only one: it handles the keys, and `?` shows it.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::command::{Command, Dialog, FindOrder};

/// One key.
#[derive(Debug)]
pub struct Shortcut {
    /// The key.
    pub keys: KeyboardShortcut,
    /// What it does, for people.
    pub what: &'static str,
    /// What it does.
    pub command: fn() -> Command,
    /// Whether it also works while the user types.
    pub while_typing: bool,
}

const fn control(key: Key, what: &'static str, command: fn() -> Command) -> Shortcut {
    Shortcut { keys: KeyboardShortcut::new(Modifiers::COMMAND, key), what, command, while_typing: true }
}

const fn control_shift(key: Key, what: &'static str, command: fn() -> Command) -> Shortcut {
    let modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };
    Shortcut { keys: KeyboardShortcut::new(modifiers, key), what, command, while_typing: true }
}

/// All keys except those of text input.
pub const SHORTCUTS: &[Shortcut] = &[
    control(Key::N, "New chat", || Command::NewChat),
    control_shift(Key::F, "Search chats", || Command::FocusSearch),
    control(Key::F, "Find in this chat", || Command::Find(FindOrder::Open)),
    control(Key::L, "Type a question", || Command::FocusComposer),
    control(Key::PageDown, "Next chat", || Command::OpenNext(1)),
    control(Key::PageUp, "Previous chat", || Command::OpenNext(-1)),
    control(Key::Period, "Stop the answers of this chat", || Command::StopAll),
    control(Key::R, "Ask the last question again", || Command::RegenerateLast),
    control(Key::E, "Change the last question", || Command::EditLast),
    control_shift(Key::C, "Copy the last answer", || Command::CopyLast),
    control(Key::O, "Add files to the question", || Command::ChooseFiles),
    control(Key::J, "Show or hide the jobs", || Command::ToggleJobs),
    control(Key::B, "Show or hide the chats", || Command::ToggleChats),
    control(Key::M, "Models", || Command::Show(Dialog::Models)),
    control(Key::Comma, "Settings", || Command::Show(Dialog::Settings)),
    control(Key::I, "Settings of this chat", || Command::Show(Dialog::Chat)),
    control(Key::Slash, "This list", || Command::Show(Dialog::Help)),
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F1),
        what: "This list",
        command: || Command::Show(Dialog::Help),
        while_typing: true,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::Questionmark),
        what: "This list",
        command: || Command::Show(Dialog::Help),
        while_typing: false,
    },
];

/// The commands of the keys in this frame.
pub fn pressed(context: &egui::Context) -> Vec<Command> {
    let is_typing = context.text_edit_focused();
    let mut commands = Vec::new();
    for shortcut in SHORTCUTS.iter().filter(|shortcut| shortcut.while_typing || !is_typing) {
        // `?` needs Shift on most keyboards.
        let shifted = KeyboardShortcut { modifiers: Modifiers::SHIFT, ..shortcut.keys };
        let is_pressed = context.input_mut(|input| {
            input.consume_shortcut(&shortcut.keys)
                || (!shortcut.while_typing && input.consume_shortcut(&shifted))
        });
        if is_pressed {
            commands.push((shortcut.command)());
        }
    }
    commands
}
