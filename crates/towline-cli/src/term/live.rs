//! An answer on a terminal without a prompt: its complete lines, with the unfinished text below them.

use super::answer::Answer;
use super::layout::{Size, UpperRows};
use super::painter::{Block, Painter};
use super::palette::Palette;
use super::terminal::reflows;
use super::text::Line;
use super::transcript::Transcript;

/// Draws an answer. The terminal belongs to the shell: it echoes what is typed, and a line end returns the cursor.
#[derive(Debug)]
pub struct Live {
    answer: Answer,
    transcript: Transcript,
    painter: Painter,
    size: Size,
}

impl Live {
    /// For a terminal of this size. `thoughts` tells how folded thinking can be shown.
    pub fn new(palette: Palette, size: Size, thoughts: &'static str) -> Self {
        let mut answer = Answer::default();
        answer.columns(size.columns);
        answer.folded(thoughts);
        let painter = Painter::new(palette, reflows(), size.columns).cooked();
        Self { answer, transcript: Transcript::default(), painter, size }
    }

    /// Adds a piece of the answer.
    pub fn text(&mut self, text: &str) {
        self.add(|answer, lines| answer.text(text, lines));
    }

    /// Adds a piece of the model's thinking.
    pub fn think(&mut self, text: &str) {
        self.answer.think(text);
    }

    /// Ends the answer; unfinished text is shown unchanged.
    pub fn end(&mut self) {
        self.add(Answer::end);
    }

    fn add(&mut self, make: impl FnOnce(&mut Answer, &mut Vec<Line>)) {
        let mut lines = vec![];
        make(&mut self.answer, &mut lines);
        for line in lines {
            self.transcript.push(line);
        }
    }

    /// The bytes that update the terminal, which now has this size.
    pub fn draw(&mut self, size: Size) -> Vec<u8> {
        let mut out = vec![];
        if size != self.size {
            self.size = size;
            self.answer.columns(size.columns);
            let _unknown = self.painter.resized(size.columns, None, &mut out);
        }
        let parts = self.transcript.take(size.columns, usize::MAX);
        let rows = UpperRows::new(&self.answer.pending(), None, size, 0).rows;
        let cursor_column = rows.last().map_or(0, |row| row.width.min(size.columns.saturating_sub(1)));
        let block = Block { cursor_row: rows.len().saturating_sub(1), cursor_column, rows };
        self.painter.paint(&parts, &block, &mut out);
        // The terminal adds the carriage return itself.
        String::from_utf8_lossy(&out).replace("\r\n", "\n").into_bytes()
    }

    /// The bytes that erase the unfinished text from the terminal, so that something else can be written
    /// there.
    pub fn erase(&mut self) -> Vec<u8> {
        let mut out = vec![];
        self.painter.erase(&mut out);
        out
    }
}
