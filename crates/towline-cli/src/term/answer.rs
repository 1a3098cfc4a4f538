//! The answer being received: turns thinking and text into lines; unfinished text stays pending.

use std::time::Instant;

use super::text::{Color, Line, Style};
use crate::term::markdown::Markdown;

/// Maximum amount of thinking that is kept for unfolding; of longer thinking, the end is kept.
const THOUGHT_BYTES: usize = 256 << 10;
/// Number of lines of thinking shown while it continues.
const THINKING_LINES: usize = 3;
/// Number of bytes of one line of thinking shown while it continues.
const THINKING_BYTES: usize = 1 << 10;

#[derive(Debug)]
struct Thinking {
    since: Instant,
    text: String,
}

/// Turns the stream into lines.
#[derive(Debug, Default)]
pub struct Answer {
    markdown: Markdown,
    thinking: Option<Thinking>,
    thought: String,
    unfold: bool,
    /// How folded thinking can be shown.
    folded: &'static str,
}

impl Answer {
    /// Whether thinking stays on the screen when it is complete.
    pub fn unfold(&mut self, unfold: bool) {
        self.unfold = unfold;
    }

    /// How folded thinking can be shown.
    pub fn folded(&mut self, how: &'static str) {
        self.folded = how;
    }

    /// Maximum width of a table, in columns.
    pub fn columns(&mut self, columns: usize) {
        self.markdown.columns(columns);
    }

    pub fn begin(&mut self, label: Option<&str>, lines: &mut Vec<Line>) {
        self.end(lines);
        if let Some(label) = label {
            lines.push(Line::styled(label, Style { bold: true, ..Style::color(Color::Magenta) }));
        }
    }

    pub fn text(&mut self, text: &str, lines: &mut Vec<Line>) {
        if !text.is_empty() {
            self.end_thinking(lines);
            self.markdown.push(text, lines);
        }
    }

    pub fn think(&mut self, text: &str) {
        let thinking =
            self.thinking.get_or_insert_with(|| Thinking { since: Instant::now(), text: String::new() });
        thinking.text.push_str(text);
        if thinking.text.len() > 2 * THOUGHT_BYTES {
            let cut = thinking.text.ceil_char_boundary(thinking.text.len() - THOUGHT_BYTES);
            thinking.text.drain(..cut);
        }
    }

    pub fn end(&mut self, lines: &mut Vec<Line>) {
        self.end_thinking(lines);
        self.markdown.finish(lines);
    }

    /// The unfinished text for the rows below the transcript.
    pub fn pending(&self) -> Vec<Line> {
        let Some(thinking) = &self.thinking else { return self.markdown.pending() };
        let mut shown = vec![Line::styled("thinking…", Style { italic: true, ..Style::DIM })];
        let last = thinking.text.trim_end().rsplit('\n').filter(|line| !line.trim().is_empty());
        let last: Vec<_> = last.take(THINKING_LINES).collect();
        shown.extend(last.into_iter().rev().map(|line| {
            let end = &line[line.ceil_char_boundary(line.len().saturating_sub(THINKING_BYTES))..];
            Line::styled(end, Style::DIM).in_words(Line::default())
        }));
        shown
    }

    /// Marks the beginning of the pending text as written, because it has left the screen and cannot be
    /// erased. The length is given in non-blank characters.
    pub fn left_screen(&mut self, characters: usize) {
        if self.thinking.is_none() {
            self.markdown.left_screen(characters);
        }
    }

    /// The thinking before the last answer, for unfolding.
    pub fn thought(&self) -> Vec<Line> {
        thought_lines(&self.thought)
    }

    fn end_thinking(&mut self, lines: &mut Vec<Line>) {
        let Some(thinking) = self.thinking.take() else { return };
        if self.unfold {
            lines.extend(thought_lines(&thinking.text));
        }
        let seconds = thinking.since.elapsed().as_secs_f64();
        let how = if self.unfold { String::new() } else { format!("  ({})", self.folded) };
        lines.push(Line::styled(
            &format!("thought for {seconds:.1} s{how}"),
            Style { italic: true, ..Style::DIM },
        ));
        lines.push(Line::default());
        self.thought = thinking.text;
    }
}

fn thought_lines(text: &str) -> Vec<Line> {
    let text = text.trim();
    if text.is_empty() {
        return vec![];
    }
    let bar = || Line::styled("│ ", Style::DIM);
    let one = |line| Line::styled(&format!("│ {line}"), Style::DIM).in_words(bar());
    text.split('\n').map(one).collect()
}
