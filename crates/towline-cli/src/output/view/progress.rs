//! The progress of a pull, push or create: bars on a terminal, otherwise a line for each step and each tenth of a layer.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use towline::event::{Phase, Progress};
use towline::{Ending, Error, Event, Outcome};

use super::spinner::Spinner;
use crate::output::{self, Out, WriteError};
use towline_app::text::{safe, units};

/// Maximum length of the status next to a bar, in characters.
const STATUS_CHARS: usize = 24;
/// A terminal with fewer columns shows no counts, and a still narrower one no bar.
const WHOLE_COLUMNS: usize = 76;
const BAR_COLUMNS: usize = 46;
/// How often a running step is drawn.
const STEP_TICK: Duration = Duration::from_millis(120);

/// Progress.
#[derive(Debug)]
pub struct ProgressView {
    renderer: Renderer,
    spinner: Spinner,
    awaited: String,
    /// Whether anything has arrived.
    begun: bool,
}

#[derive(Debug)]
enum Renderer {
    Bars(Bars),
    Lines(Lines),
}

impl ProgressView {
    /// Progress about `model` at `server`.
    pub fn new(model: &str, server: &str) -> Self {
        let renderer = if output::stderr_is_terminal() {
            Renderer::Bars(Bars::default())
        } else {
            Renderer::Lines(Lines::new())
        };
        Self {
            renderer,
            spinner: Spinner::new(),
            awaited: format!("{model}: waiting for {server}"),
            begun: false,
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match event {
            Event::Progress(progress) => {
                self.spinner.erase();
                self.begun = true;
                match &mut self.renderer {
                    Renderer::Bars(bars) => {
                        bars.show(progress);
                        Ok(())
                    }
                    Renderer::Lines(lines) => lines.show(progress),
                }
            }
            Event::Text(_)
            | Event::Thinking(_)
            | Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Usage(_) => Ok(()),
        }
    }

    pub(super) fn end(&mut self, outcome: &Outcome) -> Result<(), WriteError> {
        self.spinner.erase();
        match &mut self.renderer {
            Renderer::Bars(bars) => bars.end(&outcome.ending),
            Renderer::Lines(_) => {}
        }
        Ok(())
    }

    /// A note above the bars.
    pub(super) fn note(&mut self, message: &str) {
        self.spinner.erase();
        match &self.renderer {
            Renderer::Bars(bars) => bars.multi.suspend(|| output::note(message)),
            Renderer::Lines(_) => output::note(message),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.spinner.is_enabled() && !self.begun
    }

    pub(super) fn tick(&mut self, _phase: Phase, retried: &[Error]) {
        self.spinner.draw(&self.awaited, retried);
    }
}

/// One bar for each layer, and a line for each step without numbers.
#[derive(Debug, Default)]
struct Bars {
    multi: MultiProgress,
    layers: HashMap<String, ProgressBar>,
    /// The running step.
    step: Option<(String, ProgressBar)>,
    /// The terminal width of the bars' layout.
    columns: usize,
}

/// The line of a running layer, narrower than the terminal.
fn under_way(columns: usize) -> String {
    let bar = |beside: usize| columns.saturating_sub(beside + 1);
    match columns {
        WHOLE_COLUMNS.. => format!(
            "{{msg:24}} {{bar:{}.cyan/dim}} {{percent:>3}} % {{decimal_bytes:>9}}/{{decimal_total_bytes:<9}} \
             {{decimal_bytes_per_sec:>11}} {{eta:>4}}",
            bar(68)
        ),
        BAR_COLUMNS.. => format!("{{msg:24}} {{bar:{}.cyan/dim}} {{percent:>3}} %", bar(31)),
        _ => format!("{{msg:{}!}} {{percent:>3}} %", bar(6).max(1)),
    }
}

/// The line of a complete layer.
fn finished(columns: usize) -> String {
    match columns {
        BAR_COLUMNS.. => format!(
            "{{msg:24}} {{bar:{}.cyan/dim}} {{percent:>3}} % {{decimal_total_bytes:>9}}",
            columns.saturating_sub(42)
        ),
        narrow => under_way(narrow),
    }
}

impl Bars {
    fn show(&mut self, progress: &Progress) {
        let status = shortened(&progress.status);
        let (Some(digest), Some(total)) = (&progress.digest, progress.total) else {
            return self.show_step(status);
        };
        self.end_step();
        self.fit(output::stderr_width());
        let (multi, columns) = (&self.multi, self.columns);
        let bar = self.layers.entry(digest.clone()).or_insert_with(|| {
            let bar = multi.add(ProgressBar::new(total));
            bar.set_style(style(&under_way(columns)));
            bar
        });
        bar.set_message(status);
        bar.set_length(total);
        bar.set_position(progress.completed.unwrap_or(0));
        if progress.completed == Some(total) && !bar.is_finished() {
            bar.set_style(style(&finished(columns)));
            bar.finish();
        }
    }

    /// Lays the bars out for a terminal of this width.
    fn fit(&mut self, columns: usize) {
        if std::mem::replace(&mut self.columns, columns) == columns {
            return;
        }
        for bar in self.layers.values() {
            let of = if bar.is_finished() { finished(columns) } else { under_way(columns) };
            bar.set_style(style(&of));
        }
    }

    fn show_step(&mut self, status: String) {
        if self.step.as_ref().is_some_and(|(known, _)| *known == status) {
            return;
        }
        self.end_step();
        let bar = self.multi.add(ProgressBar::new_spinner());
        bar.set_style(style("{msg} {spinner}"));
        bar.set_message(status.clone());
        bar.enable_steady_tick(STEP_TICK);
        self.step = Some((status, bar));
    }

    fn end_step(&mut self) {
        if let Some((_, bar)) = self.step.take() {
            bar.set_style(style("{msg}"));
            bar.finish();
        }
    }

    fn end(&mut self, ending: &Ending) {
        let interrupted = matches!(ending, Ending::Cancelled { .. });
        if interrupted {
            // The terminal has echoed `^C` somewhere, so the position of the bars is unknown and they stay.
            self.multi.set_draw_target(ProgressDrawTarget::hidden());
        }
        self.end_step();
        for bar in self.layers.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        if interrupted {
            output::stderr("\n");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|error| unreachable!("a fixed template: {error}"))
}

fn shortened(status: &str) -> String {
    safe::line(status).chars().take(STATUS_CHARS).collect()
}

/// Lines on standard output.
#[derive(Debug)]
struct Lines {
    out: Out,
    /// The last shown step.
    step: String,
    /// The last shown tenth of each layer.
    tenths: HashMap<String, u64>,
}

impl Lines {
    fn new() -> Self {
        Self { out: Out::new(), step: String::new(), tenths: HashMap::new() }
    }

    fn show(&mut self, progress: &Progress) -> Result<(), WriteError> {
        let status = safe::line(&progress.status).into_owned();
        let (Some(digest), Some(total)) = (&progress.digest, progress.total) else {
            if self.step == status {
                return Ok(());
            }
            self.step.clone_from(&status);
            return self.out.line(&status);
        };
        let completed = progress.completed.unwrap_or(0).min(total);
        // An empty layer is complete.
        let tenth = completed.saturating_mul(10).checked_div(total).unwrap_or(10);
        if self.tenths.insert(digest.clone(), tenth) == Some(tenth) {
            return Ok(());
        }
        self.step.clear();
        self.out.line(&format!("{status}  {} % of {}", tenth * 10, units::bytes(total)))
    }
}
