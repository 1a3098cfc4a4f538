//! The views of a stream: for people or pipes, as progress, or as JSON lines.

mod answer;
mod code;
mod link;
mod progress;
mod rendered;
mod spinner;

use towline::event::Phase;
use towline::{Error, Event, Outcome};
use towline_app::settings::Config;

use answer::AnswerView;
pub use code::CodeView;
pub use link::Link;
pub use progress::ProgressView;
use rendered::RenderedView;

use crate::output::json;
use crate::output::{self, Out, WriteError};

/// One way to show a stream.
#[derive(Debug)]
pub enum View {
    /// The text of an answer as it arrived, on a terminal or into a pipe.
    Answer(AnswerView),
    /// A rendered answer on a terminal.
    Rendered(Box<RenderedView>),
    /// Only the code of an answer.
    Code(CodeView),
    /// The progress of a pull, push or create.
    Progress(ProgressView),
    /// JSON lines.
    Json(Out),
}

impl View {
    /// An answer, rendered on a terminal unless `plain`.
    pub fn answer(plain: bool, config: &Config, model: &str, server: &str) -> Self {
        if plain || !output::stdout_can_be_drawn_on() {
            Self::Answer(AnswerView::new(model, server))
        } else {
            Self::Rendered(Box::new(RenderedView::new(config, model, server)))
        }
    }

    /// JSON lines; prints the first.
    pub fn json(model: Option<&str>, server: &str) -> Result<Self, WriteError> {
        let mut out = Out::held();
        out.write(&json::start(model, server))?;
        out.flush()?;
        Ok(Self::Json(out))
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match self {
            Self::Answer(view) => view.event(event),
            Self::Rendered(view) => view.event(event),
            Self::Code(view) => view.event(event),
            Self::Progress(view) => view.event(event),
            Self::Json(out) => json::event(event).map_or(Ok(()), |line| out.write(&line)),
        }
    }

    /// Ends the view; the meaning of the ending is explained elsewhere.
    pub fn end(&mut self, outcome: &Outcome) -> Result<(), WriteError> {
        match self {
            Self::Answer(view) => view.end(),
            Self::Rendered(view) => view.end(),
            Self::Code(view) => view.end(outcome),
            Self::Progress(view) => view.end(outcome),
            Self::Json(out) => {
                out.write(&json::end(outcome))?;
                out.flush()
            }
        }
    }

    /// Writes text that was held because more might follow at once.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        match self {
            Self::Answer(view) => view.flush(),
            Self::Rendered(view) => view.flush(),
            Self::Progress(_) | Self::Code(_) => Ok(()),
            Self::Json(out) => out.flush(),
        }
    }

    /// Whether it shows passing time.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Answer(view) => view.is_waiting(),
            Self::Rendered(view) => view.is_waiting(),
            Self::Code(view) => view.is_waiting(),
            Self::Progress(view) => view.is_waiting(),
            Self::Json(_) => false,
        }
    }

    /// Whether it shows changes of the connection as they happen.
    pub fn shows_links(&self) -> bool {
        match self {
            Self::Answer(_) | Self::Rendered(_) | Self::Code(_) | Self::Progress(_) => {
                output::stderr_is_terminal()
            }
            Self::Json(_) => false,
        }
    }

    /// Shows a note that is not part of the stream, on a separate line.
    pub fn note(&mut self, message: &str) -> Result<(), WriteError> {
        match self {
            Self::Answer(view) => view.note(message),
            Self::Rendered(view) => view.note(message),
            Self::Code(view) => {
                view.note(message);
                Ok(())
            }
            Self::Progress(view) => {
                view.note(message);
                Ok(())
            }
            Self::Json(_) => Ok(()),
        }
    }

    /// Updates the shown time.
    pub fn tick(&mut self, phase: Phase, retried: &[Error]) {
        match self {
            Self::Answer(view) => view.tick(phase, retried),
            Self::Rendered(view) => view.tick(phase, retried),
            Self::Code(view) => view.tick(phase, retried),
            Self::Progress(view) => view.tick(phase, retried),
            Self::Json(_) => {}
        }
    }
}
