//! The panel of jobs: every stream, what it does, and what can be done about it.

use std::time::Duration;

use egui::{Grid, RichText, ScrollArea, Ui};
use towline::JobState;
use towline::engine::JobInfo;

use super::format;
use super::theme::Palette;
use crate::chats::STALLED_SECONDS;
use crate::command::{Command, JobOrder};
use crate::transcript::safe;
use crate::window::Window;

/// How far one click moves a deadline.
const STEP: Duration = Duration::from_secs(60);

/// One job as it is shown.
#[derive(Debug, Clone)]
pub struct Row {
    /// The job.
    pub info: JobInfo,
    /// Its chat's title, when it has one.
    pub chat: Option<String>,
}

/// The jobs of a window: those that run first, then the last that ended.
pub fn rows(window: &Window) -> Vec<Row> {
    let titled = |info: JobInfo| {
        let owner = window.owners.get(&info.id).map(|(chat, _)| *chat);
        let chat = owner.and_then(|key| window.chats.iter().find(|chat| chat.key == key));
        Row { chat: chat.map(|chat| chat.title()), info }
    };
    let jobs = window.engine.jobs();
    // What has no model is the window's own work.
    let mut rows: Vec<Row> =
        jobs.iter().map(|job| job.info()).filter(|info| info.model.is_some()).map(titled).collect();
    rows.sort_by_key(|row| (row.info.state.is_ended(), std::cmp::Reverse(row.info.id)));
    rows
}

/// Draws jobs.
pub fn show(ui: &mut Ui, rows: &[Row], palette: &Palette, out: &mut Vec<Command>) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.strong("Jobs");
        let running = rows.iter().filter(|row| !row.info.state.is_ended()).count();
        ui.weak(format!("{running} running, {} ended", rows.len() - running));
        if running < rows.len() && ui.small_button("Forget ended").clicked() {
            out.push(Command::ForgetEnded);
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.small_button("✖").accessible_name("Close the jobs").clicked() {
                out.push(Command::ToggleJobs);
            }
        });
    });
    if rows.is_empty() {
        ui.weak("Every answer and every pull is listed here while it runs, and after.");
    }
    let height = ui.text_style_height(&egui::TextStyle::Body) + 8.0;
    ScrollArea::both().auto_shrink(false).show_rows(ui, height, rows.len(), |ui, visible| {
        Grid::new("jobs").striped(true).spacing([12.0, 4.0]).min_col_width(34.0).show(ui, |ui| {
            for row in rows.get(visible).unwrap_or_default() {
                job(ui, row, palette, out);
                ui.end_row();
            }
        });
    });
}

fn job(ui: &mut Ui, row: &Row, palette: &Palette, out: &mut Vec<Command>) {
    let info = &row.info;
    let id = info.id;
    ui.weak(id.to_string());
    let (words, color) = state(info, palette);
    ui.colored_label(color, words);
    ui.label(safe(&info.name));
    match &row.chat {
        Some(title) => {
            let short: String = title.chars().take(24).collect();
            let link = ui.link(short).accessible_name(format!("Show job {id}"));
            if link.clicked() {
                out.push(Command::Job(id, JobOrder::Show));
            }
        }
        None => drop(ui.weak("–")),
    }
    ui.label(format!("{} tokens", info.tokens));
    ui.label(format!("{:.0}/s", info.tokens_per_second));
    ui.label(
        info.since_last_event
            .map_or_else(|| "–".to_owned(), |time| format!("last {} ago", format::span(time))),
    );
    ui.label(
        info.deadline_in
            .map_or_else(|| "no deadline".to_owned(), |time| format!("{} left", format::span(time))),
    );
    if info.state.is_ended() {
        return;
    }
    let mut button = |ui: &mut Ui, words: &str, name: &str, order: JobOrder| {
        if ui.small_button(words).accessible_name(format!("{name} job {id}")).on_hover_text(name).clicked() {
            out.push(Command::Job(id, order));
        }
    };
    ui.horizontal(|ui| {
        button(ui, "⏹", "Stop", JobOrder::Stop);
        if info.state == JobState::Paused {
            button(ui, "▶", "Unpause", JobOrder::Unpause);
        } else {
            button(ui, "⏸", "Pause", JobOrder::Pause);
        }
        button(ui, "+1 min", "Move the deadline of", JobOrder::Extend(STEP));
        if info.deadline_in.is_some() {
            button(ui, "∞", "No deadline for", JobOrder::NoDeadline);
        }
    });
}

fn state(info: &JobInfo, palette: &Palette) -> (RichText, egui::Color32) {
    let silent = info.since_last_event.map_or(0, |time| time.as_secs());
    if info.state == JobState::Streaming && silent >= STALLED_SECONDS {
        return (RichText::new(format!("stalled {silent} s")), palette.warning);
    }
    let color = match info.state {
        JobState::Queued
        | JobState::Connecting
        | JobState::Waiting
        | JobState::Streaming
        | JobState::Running => palette.good,
        JobState::Paused | JobState::Cancelling | JobState::Cancelled | JobState::Truncated => {
            palette.warning
        }
        JobState::TimedOut | JobState::Failed => palette.bad,
        JobState::Completed => palette.strong,
    };
    (RichText::new(info.state.as_str().replace('_', " ")), color)
}
