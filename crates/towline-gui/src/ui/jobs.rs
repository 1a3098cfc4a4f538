//! The panel of jobs: every stream, its state, and its controls.

use std::time::Duration;

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Button, Grid, Label, PopupCloseBehavior, RichText, Role, ScrollArea, TextEdit, Ui};
use towline::Deadline;
use towline::engine::JobId;
use towline_app::answers::Verb;
use towline_app::text::duration::TimeLimit;
use towline_app::text::{safe, units};

use super::named::{region, sides};
use super::rows::{Reading, Row, RowJob, Tone};
use super::theme::{Face, Palette};
use crate::command::{Command, Commands, Dialog, JobOrder};
use crate::relay::{Connection, Control, Relay, RelayOrder};

/// Room for a job's name and the mark of the relay, in points.
const NAME_WIDTH: f32 = 120.0;
/// The deadlines that one click sets.
const LIMITS: [(&str, Duration); 4] = [
    ("30 s", Duration::from_secs(30)),
    ("5 min", Duration::from_secs(300)),
    ("1 h", Duration::from_secs(3_600)),
    ("8 h", Duration::from_secs(8 * 3_600)),
];
/// The step by which one click changes a deadline.
const STEP: Duration = Duration::from_secs(60);

/// The column headers.
const HEADS: [&str; 8] = ["Name", "State", "Question", "Model", "Progress", "Tokens/s", "Last", "Time left"];

/// The reason why an answer cannot be left to the relay.
const NOT_AT_RELAY: &str = "It runs in this window, and ends with it. What is asked while “Answers run on the relay” is on \
                            (Ctrl+, shows the settings) can be detached.";

/// Draws jobs.
pub fn show(ui: &mut Ui, rows: &[Row], relay: Option<&Relay>, out: &mut Commands) {
    region(ui, Role::Region, "Jobs");
    ui.add_space(4.0);
    let beginning = |ui: &mut Ui| {
        ui.strong("Jobs");
        let running = rows.iter().filter(|row| !row.state.is_ended).count();
        ui.weak(format!("{running} running, {} ended", rows.len() - running));
        let is_own_ended = |row: &Row| row.state.is_ended && matches!(row.which, RowJob::Own(..));
        if rows.iter().any(is_own_ended) && ui.small_button("Forget ended").clicked() {
            out.push(Command::ForgetEnded);
        }
        if let Some(relay) = relay {
            connection(ui, relay, out);
        }
    };
    let close = sides(ui, beginning, |ui| ui.small_button("✖").accessible_name("Close the jobs"));
    out.on_click(close, Command::ToggleJobs);
    if rows.is_empty() {
        ui.weak("Every answer and every pull is listed here while it runs, and after.");
    }
    let height = ui.text_style_height(&egui::TextStyle::Body) + 8.0;
    ScrollArea::both().auto_shrink(false).show_rows(ui, height, rows.len() + 1, |ui, visible| {
        Grid::new("jobs").striped(true).spacing([14.0, 4.0]).min_col_width(34.0).show(ui, |ui| {
            // The column headers are the first row.
            if visible.start == 0 && !rows.is_empty() {
                for head in HEADS {
                    ui.label(RichText::new(head).font(Face::Medium.font(12.0)).color(Palette::at(ui).weak));
                }
                ui.end_row();
            }
            let visible = visible.start.saturating_sub(1)..visible.end.saturating_sub(1);
            for row in rows.get(visible).unwrap_or_default() {
                job(ui, row, out);
                ui.end_row();
            }
        });
    });
}

/// The state of the connection to the relay.
fn connection(ui: &mut Ui, relay: &Relay, out: &mut Commands) {
    ui.separator();
    let connection = relay.list().connection.clone();
    match connection {
        Connection::Unknown | Connection::Connecting => drop(ui.weak("looking for the relay…")),
        Connection::Connected => drop(ui.weak(relay.place().shown())),
        Connection::Starting => drop(ui.weak("the relay is being started…")),
        Connection::Unreachable(why) => {
            let starts = "It continues answers without the window; it exits after an idle hour";
            if relay.is_own() && ui.small_button("Start the relay").on_hover_text(starts).clicked() {
                out.push(Command::StartRelay);
            }
            ui.weak(safe::text(&why));
        }
    }
}

fn job(ui: &mut Ui, row: &Row, out: &mut Commands) {
    let palette = Palette::at(ui);
    let (number, mark, place) = match &row.which {
        RowJob::Own(id, true) => (id.to_string(), "◆", "The relay runs it, and this window reads it."),
        RowJob::Own(id, false) => (id.to_string(), "", "It runs here."),
        RowJob::Relay(id, _) => {
            (crate::relay::short(id).to_owned(), "◇", "The relay runs it; this window does not read it.")
        }
    };
    // One cell, whose buttons keep their positions while the user aims at them, whatever else changes.
    ui.horizontal(|ui| {
        let size = egui::vec2(NAME_WIDTH, ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.set_min_width(NAME_WIDTH);
            let name = row.name.as_deref().map_or(number.as_str().into(), safe::text);
            ui.add(Label::new(RichText::new(mark).weak()));
            ui.add(Label::new(RichText::new(name.as_ref()).weak()).truncate())
                .on_hover_text(format!("{name} ({number}). {place}"));
        });
        match &row.which {
            RowJob::Own(id, is_at_relay) => own_job(ui, row, *id, *is_at_relay, out),
            RowJob::Relay(id, reading) => of_relay(ui, row, id, *reading, out),
        }
    });
    let color = match row.state.tone {
        Tone::Good => palette.good,
        Tone::Warning => palette.warning,
        Tone::Bad => palette.bad,
        Tone::Done => palette.strong,
    };
    ui.colored_label(color, RichText::new(safe::text(&row.state.words)));
    match &row.chat {
        Some(title) => {
            let short: String = title.chars().take(24).collect();
            if ui.link(safe::text(&short)).accessible_name(format!("Show {}", row.which.label())).clicked() {
                out.push(match &row.which {
                    RowJob::Own(id, _) => Command::Job(*id, JobOrder::Show),
                    RowJob::Relay(id, _) => Command::RelayJob(id.clone(), RelayOrder::Show),
                });
            }
        }
        None => drop(ui.weak("–")),
    }
    ui.label(safe::text(&row.model));
    ui.label(&row.received);
    ui.label(format!("{:.0}", row.rate));
    ui.label(row.silent.map_or_else(|| "–".to_owned(), |time| format!("{} ago", units::running(time))));
    let left = |time| format!("{} left", units::running(time));
    ui.label(row.deadline.map_or_else(|| "no deadline".to_owned(), left));
}

/// The buttons of a job.
struct Buttons<'a> {
    ui: &'a mut Ui,
    label: String,
    out: &'a mut Commands,
}

impl Buttons<'_> {
    fn add(&mut self, words: &str, name: &str, does: Command) {
        let button = self.ui.small_button(words).accessible_name(format!("{name} {}", self.label));
        if button.on_hover_text(name).clicked() {
            self.out.push(does);
        }
    }
}

impl Buttons<'_> {
    /// The buttons of a running job; `last` comes before the one that appears and disappears.
    fn control(&mut self, row: &Row, send: impl Fn(Control) -> Command, last: impl FnOnce(&mut Self)) {
        self.add("⏹", "Stop", send(Control::Stop));
        if row.state.is_paused {
            self.add("▶", "Unpause", send(Control::Unpause));
        } else {
            self.add("⏸", "Pause", send(Control::Pause));
        }
        if let Some(deadline) = self.deadline(row) {
            self.out.push(send(Control::Deadline(deadline)));
        }
        last(self);
    }

    /// The menu of deadlines; returns the chosen one.
    fn deadline(&mut self, row: &Row) -> Option<Deadline> {
        let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
        let name = format!("Deadline of {}", self.label);
        let button = MenuButton::from_button(Button::new("⏱").small()).config(config);
        let (response, chosen) = button.ui(self.ui, |ui| {
            let mut chosen = None;
            for (words, deadline) in
                [("No deadline", Deadline::Never), ("1 min more", Deadline::ExtendBy(STEP))]
            {
                if row.deadline.is_some() && ui.button(words).clicked() {
                    chosen = Some(deadline);
                }
            }
            for (words, time) in LIMITS {
                if ui.button(format!("{words} from now")).clicked() {
                    chosen = Some(Deadline::In(time));
                }
            }
            chosen.or_else(|| typed_limit(ui)).inspect(|_| ui.close())
        });
        drop(response.on_hover_text("Deadline").accessible_name(name));
        chosen?.inner
    }
}

/// A typed deadline.
fn typed_limit(ui: &mut Ui) -> Option<Deadline> {
    let id = ui.scope_id().with("typed");
    let mut text: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let field = TextEdit::singleline(&mut text).hint_text("90s, 1h30m, none").desired_width(110.0);
    let field = ui.add(field).accessible_name("Another deadline");
    let limit: Result<TimeLimit, _> = text.parse();
    if let (Err(why), false) = (&limit, text.is_empty()) {
        ui.weak(why.to_string());
    }
    let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    ui.data_mut(|data| data.insert_temp(id, text));
    let TimeLimit(limit) = limit.ok().filter(|_| is_entered)?;
    Some(limit.map_or(Deadline::Never, Deadline::In))
}

fn own_job(ui: &mut Ui, row: &Row, id: JobId, is_at_relay: bool, out: &mut Commands) {
    if row.state.is_ended {
        return;
    }
    let send = |control| Command::Job(id, JobOrder::Control(control));
    let detach = |buttons: &mut Buttons<'_>| {
        let detach = buttons
            .ui
            .add_enabled(is_at_relay, Button::new("Detach").small())
            .accessible_name(format!("Detach {}", buttons.label))
            .on_hover_text("Leave it to the relay: it continues there, also without the window")
            .on_disabled_hover_text(NOT_AT_RELAY);
        if detach.clicked() {
            buttons.out.push(Command::Job(id, JobOrder::Detach));
        }
    };
    Buttons { ui, label: row.which.label(), out }.control(row, send, detach);
}

fn of_relay(ui: &mut Ui, row: &Row, id: &str, reading: Option<Reading>, out: &mut Commands) {
    let order = |order| Command::RelayJob(id.to_owned(), order);
    let send = |control: Control| order(control.into());
    let read = |buttons: &mut Buttons<'_>| {
        let words = reading.map(|reading| if reading == Reading::Rejoin { "Reattach" } else { "Adopt" });
        words.into_iter().for_each(|words| buttons.add(words, words, order(RelayOrder::Read)));
    };
    let mut buttons = Buttons { ui, label: row.which.label(), out };
    if row.state.is_ended {
        read(&mut buttons);
        buttons.add("Forget", "Forget", order(RelayOrder::Verb(Verb::Forget)));
    } else {
        buttons.control(row, send, read);
    }
    // A job with a chat is retried and renamed there.
    if reading == Some(Reading::Adopt) {
        if row.state.is_ended {
            buttons.add("Retry", "Retry", order(RelayOrder::Verb(Verb::Retry)));
        }
        let rename = Dialog::RenameJob(id.to_owned(), String::new());
        buttons.add("Rename", "Rename", Command::Show(rename));
    }
}
