//! Only the code of an answer: each block once its fence is closed, so that half a script never runs.

use towline::event::Phase;
use towline::{Ending, Error, Event, Outcome};
use towline_app::document::Document;

use super::answer::awaited;
use super::spinner::Spinner;
use crate::output::{self, Out, WriteError};

/// The code blocks of an answer, as text.
#[derive(Debug)]
pub struct CodeView {
    out: Out,
    spinner: Spinner,
    document: Document,
    /// Number of handled blocks.
    seen: usize,
    /// Only this one, counted from 1.
    only: Option<usize>,
    model: String,
    server: String,
}

impl CodeView {
    /// All blocks, or only one.
    pub fn new(only: Option<usize>, model: &str, server: &str) -> Self {
        Self {
            out: Out::new(),
            spinner: Spinner::new(),
            document: Document::default(),
            seen: 0,
            only,
            model: model.to_owned(),
            server: server.to_owned(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match event {
            Event::Text(text) => {
                self.document.push(text);
                self.print(self.closed())
            }
            Event::Thinking(_)
            | Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => Ok(()),
        }
    }

    /// Number of blocks whose fence is closed.
    fn closed(&self) -> usize {
        self.document.fences() - usize::from(self.document.closing_fence().is_some())
    }

    fn print(&mut self, until: usize) -> Result<(), WriteError> {
        while self.seen < until {
            let code = self.document.code(self.seen);
            self.seen += 1;
            if self.only.is_none_or(|only| only == self.seen) {
                self.spinner.erase();
                self.out.text(&code)?;
                self.out.finish_text()?;
                self.out.end_line()?;
            }
        }
        Ok(())
    }

    pub(super) fn note(&mut self, message: &str) {
        self.spinner.erase();
        output::note(message);
    }

    pub(super) fn end(&mut self, outcome: &Outcome) -> Result<(), WriteError> {
        self.document.finish();
        self.spinner.erase();
        match &outcome.ending {
            Ending::Completed(_) => self.print(self.document.fences()),
            Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } | Ending::Failed(_) => {
                self.print(self.closed())?;
                if self.closed() < self.document.fences() {
                    output::note("the last code block is incomplete; it is left out");
                }
                Ok(())
            }
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.spinner.is_enabled()
    }

    pub(super) fn tick(&mut self, phase: Phase, retried: &[Error]) {
        self.spinner.draw(&awaited(phase, &self.model, &self.server), retried);
    }
}
