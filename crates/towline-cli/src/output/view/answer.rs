//! An answer as text. A terminal shows thinking dimmed and separated; a pipe gets only the answer.

use towline::event::Phase;
use towline::{Error, Event};

use super::spinner::Spinner;
use crate::output::{self, Out, Style, WriteError};

/// The kind of the last shown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Nothing,
    Thinking,
    Answer,
}

/// An answer as text.
#[derive(Debug)]
pub struct AnswerView {
    out: Out,
    spinner: Spinner,
    section: Section,
    model: String,
    server: String,
}

impl AnswerView {
    /// A view that waits for the first token.
    pub fn new(model: &str, server: &str) -> Self {
        Self {
            out: Out::held(),
            spinner: Spinner::new(),
            section: Section::Nothing,
            model: model.to_owned(),
            server: server.to_owned(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match event {
            Event::Text(text) => self.text(text),
            Event::Thinking(text) => self.thinking(text),
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => aside(event).map_or(Ok(()), |message| self.aside(&message)),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        self.spinner.erase();
        self.end_thinking()?;
        self.section = Section::Answer;
        self.out.text(text)
    }

    fn thinking(&mut self, text: &str) -> Result<(), WriteError> {
        if !self.out.is_terminal() {
            // The spinner shows this.
            if self.section == Section::Nothing {
                self.section = Section::Thinking;
            }
            return Ok(());
        }
        self.spinner.erase();
        if self.section != Section::Thinking {
            self.out.end_line()?;
            self.aside_line("thinking…")?;
            self.section = Section::Thinking;
        }
        self.out.style(Style::Dim)?;
        self.out.text(text)?;
        self.out.style(Style::Plain)
    }

    /// Separates the answer from the thinking before it.
    fn end_thinking(&mut self) -> Result<(), WriteError> {
        if self.section != Section::Thinking || !self.out.is_terminal() {
            return Ok(());
        }
        self.out.finish_text()?;
        self.out.end_line()?;
        self.aside_line("… done thinking")?;
        self.out.write("\n")
    }

    /// A note; the text continues below it.
    pub(super) fn note(&mut self, message: &str) -> Result<(), WriteError> {
        self.spinner.erase();
        if self.out.is_terminal() {
            self.out.end_line()?;
        }
        self.out.flush()?;
        output::note(message);
        Ok(())
    }

    fn aside_line(&mut self, text: &str) -> Result<(), WriteError> {
        self.out.style(Style::Dim)?;
        self.out.write(text)?;
        self.out.style(Style::Plain)?;
        self.out.write("\n")
    }

    /// Shows something that is not part of the answer's text.
    fn aside(&mut self, message: &str) -> Result<(), WriteError> {
        self.spinner.erase();
        if self.out.is_terminal() {
            self.end_thinking()?;
            self.section = Section::Answer;
            self.out.end_line()?;
        }
        self.out.flush()?;
        output::stderr_line(message);
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<(), WriteError> {
        self.spinner.erase();
        if self.out.is_terminal() {
            self.out.finish_text()?;
            self.out.end_line()?;
        }
        self.out.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        self.out.flush()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.spinner.is_enabled()
            && match self.section {
                Section::Nothing => true,
                Section::Thinking => !self.out.is_terminal(),
                Section::Answer => false,
            }
    }

    pub(super) fn tick(&mut self, phase: Phase, retried: &[Error]) {
        let awaited = match self.section {
            Section::Thinking => format!("{} is thinking", self.model),
            Section::Nothing | Section::Answer => awaited(phase, &self.model, &self.server),
        };
        self.spinner.draw(&awaited, retried);
    }
}

/// The event that the view waits for before the first one.
pub(super) fn awaited(phase: Phase, model: &str, server: &str) -> String {
    match phase {
        Phase::Connecting => format!("connecting to {server}"),
        Phase::Opening | Phase::Waiting | Phase::Streaming | Phase::Finishing | Phase::Ended => {
            format!("waiting for the first token of {model}")
        }
    }
}

/// The message for an event that is not part of the answer's text, if any.
pub(super) fn aside(event: &Event) -> Option<String> {
    match event {
        Event::ToolCall(call) => Some(format!("tool call: {} {}", call.name, call.arguments)),
        Event::Image(image) => {
            Some(format!("an image arrived: {} bytes of base64; --json prints it", image.base64.len()))
        }
        Event::Text(_) | Event::Thinking(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => {
            None
        }
    }
}
