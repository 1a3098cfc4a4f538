//! An answer on a terminal: Markdown rendered as in the prompt, with thinking folded.

use towline::event::Phase;
use towline::{Error, Event};

use super::answer::{aside, awaited};
use super::spinner::Spinner;
use crate::output::{self, Out, WriteError};
use crate::term::Size;
use crate::term::live::Live;
use crate::term::palette::{self, Palette};
use towline_app::settings::{Config, Theme};

/// A rendered answer.
#[derive(Debug)]
pub struct RenderedView {
    out: Out,
    live: Live,
    spinner: Spinner,
    /// Whether a part of the answer was shown.
    begun: bool,
    model: String,
    server: String,
}

impl RenderedView {
    /// A view that waits for the first token.
    pub fn new(config: &Config, model: &str, server: &str) -> Self {
        let theme = if output::colors() { config.theme } else { Theme::None };
        let is_light = std::env::var("COLORFGBG").is_ok_and(|set| palette::is_light_by(&set));
        let palette = Palette::of(theme, is_light, &config.colors);
        Self {
            out: Out::new(),
            live: Live::new(palette, size(), "--plain shows it"),
            spinner: Spinner::new(),
            begun: false,
            model: model.to_owned(),
            server: server.to_owned(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match event {
            Event::Text(text) => {
                self.begin();
                self.live.text(text);
                Ok(())
            }
            Event::Thinking(text) => {
                self.begin();
                self.live.think(text);
                Ok(())
            }
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => match aside(event) {
                Some(message) => {
                    self.end()?;
                    output::stderr_line(&message);
                    Ok(())
                }
                None => Ok(()),
            },
        }
    }

    fn begin(&mut self) {
        self.spinner.erase();
        self.begun = true;
    }

    /// A note; the answer continues below it.
    pub(super) fn note(&mut self, message: &str) -> Result<(), WriteError> {
        self.begin();
        let erased = self.live.erase();
        self.out.control(&erased)?;
        output::note(message);
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<(), WriteError> {
        self.begin();
        self.live.end();
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        if !self.begun {
            return Ok(());
        }
        let drawn = self.live.draw(size());
        self.out.control(&drawn)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.spinner.is_enabled() && !self.begun
    }

    pub(super) fn tick(&mut self, phase: Phase, retried: &[Error]) {
        self.spinner.draw(&awaited(phase, &self.model, &self.server), retried);
    }
}

fn size() -> Size {
    let (columns, rows) = output::size();
    Size { columns, rows }
}
