//! The list of chats.

use std::collections::BTreeSet;

use egui::containers::menu::MenuButton;
use egui::{Align, AtomExt as _, Button, Layout, RichText, Role, ScrollArea, TextEdit, Ui, UiBuilder};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, Zoned};
use towline_app::servers::ServerSpec;

use super::icons;
use super::named::{named, region};
use super::theme::{self, Face, Palette};
use crate::catalog::Catalog;
use crate::chats::{Chat, ChatKey, ExportForm};
use crate::command::{Command, Commands, Dialog};
use crate::server::Server;

/// So many tags are offered.
const MAX_TAGS: usize = 12;
/// The height of an entry, in points.
const ENTRY: f32 = 30.0;
/// The animated mark of a chat with a running answer.
const MARKS: [&str; 2] = ["● ", "○ "];

/// One row of the list.
enum Line<'a> {
    Heading(String),
    Chat(&'a Chat),
}

/// The contents of the list.
#[derive(Debug)]
pub struct Sidebar<'a> {
    /// The chats, in their order.
    pub listed: Vec<&'a Chat>,
    /// The tags that any chat has.
    pub tags: BTreeSet<&'a str>,
    /// The current chat.
    pub current: ChatKey,
    /// What is looked for.
    pub search: &'a str,
    /// Whether the search field takes the focus.
    pub takes_focus: bool,
    /// The server.
    pub server: &'a Server,
    /// Its models.
    pub catalog: &'a Catalog,
}

/// Draws the list.
pub fn show(ui: &mut Ui, shown: Sidebar<'_>, out: &mut Commands) {
    region(ui, Role::Navigation, "Chats");
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        out.on_click(icons::button(ui, "☰", "Show or hide the chats"), Command::ToggleChats);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button =
                ui.button("✏ New chat").accessible_name("New chat").on_hover_text("New chat (Ctrl+N)");
            out.on_click(button, Command::NewChat);
        });
    });
    let mut search = shown.search.to_owned();
    let field = TextEdit::singleline(&mut search).hint_text("Search chats").desired_width(f32::INFINITY);
    let field = field.margin(egui::Margin::symmetric(10, 5));
    let response = theme::field(ui, field).accessible_name("Search chats");
    if shown.takes_focus {
        response.request_focus();
    }
    if response.changed() {
        out.push(Command::Search(search));
    }
    if !shown.tags.is_empty() {
        tags(ui, &shown, out);
    }
    super::bottom::show(ui, "server", egui::Frame::new(), |ui| server(ui, shown.server, shown.catalog, out));
    let lines = lines(shown.listed);
    if lines.is_empty() {
        ui.weak("no chat holds this");
    }
    ui.spacing_mut().item_spacing.y = 2.0;
    ScrollArea::vertical().auto_shrink(false).show_rows(ui, ENTRY, lines.len(), |ui, visible| {
        for line in lines.get(visible).unwrap_or_default() {
            match line {
                Line::Heading(words) => {
                    let size = egui::vec2(ui.available_width(), ENTRY);
                    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Max), |ui| {
                        ui.add_space(8.0);
                        ui.label(
                            RichText::new(words).font(Face::Medium.font(12.0)).color(Palette::at(ui).weak),
                        );
                        ui.allocate_space(ui.available_size());
                    });
                }
                Line::Chat(chat) => {
                    let is_current = chat.key == shown.current;
                    named(ui, chat.key, |ui| entry(ui, chat, is_current, out));
                }
            }
        }
    });
}

/// The tags: a click looks for the chats that have one, another one for all.
fn tags(ui: &mut Ui, shown: &Sidebar<'_>, out: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(2.0, 2.0);
        for tag in shown.tags.iter().take(MAX_TAGS) {
            let word = format!("tag:{tag}");
            let (found, mut others): (Vec<&str>, Vec<&str>) =
                shown.search.split_whitespace().partition(|other| *other == word);
            let button = Button::selectable(!found.is_empty(), RichText::new(format!("#{tag}")).small());
            let button = ui.add(button).accessible_name(format!("Chats with tag {tag}"));
            others.extend(found.is_empty().then_some(word.as_str()));
            out.on_click(button, Command::Search(others.join(" ")));
        }
    });
}

/// The chats with a heading for the pinned ones, and one for each day and month.
fn lines(listed: Vec<&Chat>) -> Vec<Line<'_>> {
    let (now, mut lines, mut is_pinned) = (Zoned::now(), Vec::with_capacity(listed.len() + 8), false);
    // The start of the period of the last heading.
    let mut begins = i64::MAX;
    for chat in listed {
        if chat.is_pinned && !std::mem::replace(&mut is_pinned, true) {
            lines.push(Line::Heading("Pinned".to_owned()));
        }
        if !chat.is_pinned && chat.written_ms < begins {
            let (heading, from) = day(chat.written_ms, &now);
            lines.push(Line::Heading(heading));
            begins = from;
        }
        lines.push(Line::Chat(chat));
    }
    lines
}

/// The day of a time as text if it is recent, else its month; and the start of that period.
fn day(written_ms: i64, now: &Zoned) -> (String, i64) {
    let zone = now.time_zone();
    let begin =
        |date: Date| date.to_zoned(zone.clone()).map_or(i64::MIN, |at| at.timestamp().as_millisecond());
    let today = now.date();
    for (words, days) in [("Today", 0), ("Yesterday", 1), ("The last seven days", 7)] {
        let from = today.checked_sub(days.days()).map_or(i64::MIN, begin);
        if written_ms >= from {
            return (words.to_owned(), from);
        }
    }
    let Ok(written) = Timestamp::from_millisecond(written_ms) else {
        return ("Earlier".to_owned(), i64::MIN);
    };
    let written = written.to_zoned(zone.clone()).date();
    (written.strftime("%B %Y").to_string(), begin(written.first_of_month()))
}

fn entry(ui: &mut Ui, chat: &Chat, is_current: bool, out: &mut Commands) {
    let palette = Palette::at(ui);
    let title = chat.title();
    let (place, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), ENTRY), egui::Sense::hover());
    let is_near = ui.rect_contains_pointer(place);
    // The menu keeps its position, and the title does not extend below it.
    let (name, menu_place) = place.split_left_right_at_x(place.right() - 30.0);
    let layout = Layout::left_to_right(Align::Center).with_main_align(Align::Min).with_main_justify(true);
    let whole = UiBuilder::new().max_rect(name).layout(layout);
    let mut text = RichText::new(&title);
    if is_current || chat.is_unread {
        text = text.font(Face::Medium.font(14.0));
    }
    let mark = match (chat.live.is_empty(), chat.is_unread) {
        // It moves with the frames of the answer, and requests none itself.
        (false, _) => MARKS[(ui.input(|input| input.time * 2.0) as usize) % MARKS.len()],
        (true, true) => "● ",
        (true, false) => "",
    };
    let mark = RichText::new(mark).color(if chat.live.is_empty() { palette.link } else { palette.good });
    // Neither widens the list.
    let response =
        ui.new_child(whole).add(Button::selectable(is_current, (mark, text.atom_shrink(true))).truncate());
    let response = response.accessible_name(&title);
    response.context_menu(|ui| menu(ui, chat, &title, out));
    out.on_click(response, Command::Open(chat.key));
    let place = UiBuilder::new().max_rect(menu_place).layout(Layout::left_to_right(Align::Center));
    icons::revealed(&mut ui.new_child(place), is_near || is_current, |ui| {
        ui.spacing_mut().button_padding.x = 6.0;
        let button = Button::new("…").frame_when_inactive(false);
        let (button, _) = MenuButton::from_button(button).ui(ui, |ui| menu(ui, chat, &title, out));
        drop(button.accessible_name(format!("Menu of {title}")));
    });
}

fn menu(ui: &mut Ui, chat: &Chat, title: &str, out: &mut Commands) {
    let choices = [
        ("Rename", Command::Show(Dialog::Rename(chat.key, title.to_owned()))),
        (if chat.is_pinned { "Unpin" } else { "Pin" }, Command::Pin(chat.key, !chat.is_pinned)),
        ("Tags", Command::Show(Dialog::Tags(chat.key, chat.conversation.tags.join(" ")))),
        ("Export as Markdown", Command::Export(chat.key, ExportForm::Markdown)),
        ("Export as JSON", Command::Export(chat.key, ExportForm::Json)),
        ("Delete", Command::Delete(chat.key)),
    ];
    for (words, command) in choices {
        if ui.button(words).clicked() {
            out.push(command);
            ui.close();
        }
    }
}

fn server(ui: &mut Ui, server: &Server, catalog: &Catalog, out: &mut Commands) {
    let palette = Palette::at(ui);
    ui.add_space(4.0);
    ui.separator();
    let shown = server.shown();
    let color = match server {
        Server::Connected(_) if server.is_builtin() => palette.warning,
        Server::Connected(_) => palette.good,
        Server::Searching(_) => palette.warning,
        Server::NotFound(_) => palette.bad,
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(RichText::new("●").small().color(color));
        ui.add(egui::Label::new(RichText::new(shown).small()).wrap());
    });
    if let (Server::Connected(_), Some(error)) = (server, &catalog.error) {
        ui.add(egui::Label::new(RichText::new(error).small().color(palette.bad)).wrap());
    }
    if let Server::NotFound(_) = server
        && ui.button("Try again").clicked()
    {
        out.push(Command::Connect(ServerSpec::default()));
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for (words, command) in [
            ("Models", Command::Show(Dialog::Models)),
            ("Settings", Command::Show(Dialog::Settings)),
            ("Import", Command::Import),
            ("Keys", Command::Show(Dialog::Help)),
        ] {
            out.on_click(
                ui.add(Button::new(RichText::new(words).small()).frame_when_inactive(false)),
                command,
            );
        }
    });
    ui.add_space(4.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_while_they_are_near() {
        let now: Zoned = "2026-11-28T12:00:00+01:00[+01:00]".parse().unwrap();
        let shown_day = |time: &str| day(time.parse::<Timestamp>().unwrap().as_millisecond(), &now).0;
        for (time, words) in [
            ("2026-11-28T11:00:00Z", "Today"),
            ("2026-11-27T23:30:00Z", "Today"),
            ("2026-11-27T22:30:00Z", "Yesterday"),
            ("2026-11-21T12:00:00Z", "The last seven days"),
            ("2026-10-02T12:00:00Z", "October 2026"),
            ("2026-11-29T12:00:00Z", "Today"),
        ] {
            assert_eq!(shown_day(time), words, "{time}");
        }
    }
}
