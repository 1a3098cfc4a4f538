//! A piece of text as strips of a few rows: only visible strips are painted and passed to the accessibility
//! tree, and only the last strip of a growing piece is laid out again.

use std::sync::Arc;

use egui::text::{CCursor, CharIndex, LayoutJob, LayoutSection};
use egui::{Galley, Rect, Ui, vec2};

use super::find::CURRENT;

/// Number of rows of a strip. A piece with fewer than twice as many rows is one strip, and so is the rest of
/// a longer one.
const ROWS: usize = 12;

/// A piece of text.
#[derive(Debug)]
pub(super) struct Strips {
    job: Arc<LayoutJob>,
    /// The width of the strips, in points.
    width: f32,
    strips: Vec<Strip>,
}

#[derive(Debug, Clone)]
struct Strip {
    job: Arc<LayoutJob>,
    /// The start of the next strip in the piece, in bytes.
    end: usize,
    height: f32,
}

/// A strip.
#[derive(Debug)]
pub(super) struct Shown {
    /// The strip's text.
    pub(super) job: Arc<LayoutJob>,
    /// Its start in the piece, in bytes.
    pub(super) from: usize,
}

impl Strips {
    pub(super) fn of(job: LayoutJob) -> Self {
        Self { job: Arc::new(job), width: 0.0, strips: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.job.text.is_empty()
    }

    /// Takes over the layout of an earlier state of the same piece, if text was only appended: the break of a
    /// row depends only on the text before it and on the word that did not fit.
    pub(super) fn grown_from(&mut self, before: Self) {
        self.width = before.width;
        self.strips = before.strips;
        if self.job == before.job {
            return;
        }
        let same = common(&self.job, &before.job);
        self.strips.pop();
        while self.strips.last().is_some_and(|strip| strip.end > same) {
            self.strips.pop();
        }
    }

    /// Draws the visible strips, and leaves room for the others. Returns the position of the current match.
    pub(super) fn show(&mut self, ui: &mut Ui, mut draw: impl FnMut(&mut Ui, Shown)) -> Option<f32> {
        let width = ui.available_width();
        #[expect(clippy::float_cmp, reason = "the same width gives the same rows; any other does not")]
        if self.width != width {
            self.width = width;
            self.strips.clear();
        }
        self.complete(ui);
        let (mut from, mut skipped, mut current) = (0, 0.0, None);
        for strip in &self.strips {
            let top = ui.cursor().left_top() + vec2(0.0, skipped);
            if has_current(&strip.job) {
                current = current_in(&lay_out(ui, &strip.job, width)).map(|down| top.y + down);
            }
            if ui.is_rect_visible(Rect::from_min_size(top, vec2(width, strip.height))) {
                ui.add_space(std::mem::take(&mut skipped));
                draw(ui, Shown { job: Arc::clone(&strip.job), from });
            } else {
                skipped += strip.height;
            }
            from = strip.end;
        }
        ui.add_space(skipped);
        current
    }

    /// Lays out the text that is in no strip yet.
    fn complete(&mut self, ui: &Ui) {
        let from = self.strips.last().map_or(0, |strip| strip.end);
        let length = self.job.text.len();
        if from == length && (length > 0 || !self.strips.is_empty()) {
            return;
        }
        let rest = if from == 0 { Arc::clone(&self.job) } else { Arc::new(part(&self.job, from, length)) };
        let galley = lay_out(ui, &rest, self.width);
        let mut rows = 0;
        let mut at = from;
        while galley.rows.len() >= rows + 2 * ROWS {
            let next = rows + ROWS;
            let letters =
                galley.rows[rows..next].iter().map(|row| row.char_count_including_newline().0).sum();
            let end = self.job.text[at..].char_indices().nth(letters).map_or(length, |(end, _)| at + end);
            let height = galley.rows[next].pos.y - galley.rows[rows].pos.y;
            self.strips.push(Strip { job: Arc::new(part(&self.job, at, end)), end, height });
            (rows, at) = (next, end);
        }
        let height = galley.rect.height() - galley.rows[rows].pos.y;
        let job = if at == from { rest } else { Arc::new(part(&self.job, at, length)) };
        self.strips.push(Strip { job, end: length, height });
    }
}

/// Whether a text has the current match.
fn has_current(job: &LayoutJob) -> bool {
    job.sections.iter().any(|section| section.format.background == CURRENT)
}

/// The vertical position of the current match in a text.
pub(super) fn current_in(galley: &Galley) -> Option<f32> {
    let section = galley.job.sections.iter().find(|section| section.format.background == CURRENT)?;
    let letters = galley.text().get(..section.byte_range.start.0)?.chars().count();
    Some(galley.pos_from_cursor(CCursor::new(CharIndex(letters))).top())
}

/// Lays out a text as a label of this width does, so that the label finds it in the cache.
fn lay_out(ui: &Ui, job: &LayoutJob, width: f32) -> Arc<Galley> {
    let mut job = job.clone();
    job.wrap.max_width = width;
    job.halign = ui.layout().horizontal_placement();
    job.justify = ui.layout().horizontal_justify();
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// A part of a text. If more follows, it omits the final line feed, which would add a row.
fn part(job: &LayoutJob, from: usize, end: usize) -> LayoutJob {
    let text = &job.text[from..end];
    let text = text.strip_suffix('\n').filter(|_| end < job.text.len()).unwrap_or(text);
    let end = from + text.len();
    let first = job.sections.partition_point(|section| section.byte_range.end.0 <= from);
    let inside = job.sections[first..].iter().take_while(|section| section.byte_range.start.0 < end);
    let sections = inside.map(|section| {
        let range = &section.byte_range;
        let (start, end) = (range.start.0.max(from) - from, range.end.0.min(end) - from);
        LayoutSection { byte_range: start.into()..end.into(), ..section.clone() }
    });
    LayoutJob {
        text: text.to_owned(),
        sections: sections.collect(),
        wrap: job.wrap.clone(),
        first_row_min_height: if from == 0 { job.first_row_min_height } else { 0.0 },
        break_on_newline: job.break_on_newline,
        halign: job.halign,
        justify: job.justify,
        round_output_to_gui: job.round_output_to_gui,
        keep_trailing_whitespace: job.keep_trailing_whitespace,
    }
}

/// The length of the common prefix of two texts, including their style, in bytes.
fn common(one: &LayoutJob, other: &LayoutJob) -> usize {
    let letters = one.text.bytes().zip(other.text.bytes()).take_while(|(one, other)| one == other).count();
    let mut same = 0;
    for (one, other) in one.sections.iter().zip(&other.sections) {
        if one.byte_range.start != other.byte_range.start || one.format != other.format {
            break;
        }
        same = one.byte_range.end.0.min(other.byte_range.end.0);
        if one.byte_range.end != other.byte_range.end {
            break;
        }
    }
    same.min(letters)
}

#[cfg(test)]
mod tests {
    use egui::text::TextFormat;
    use egui::{Context, Pos2, RawInput};

    use super::*;

    /// Runs `work` in a frame of a window of 300 by 4,000 points.
    fn framed(work: impl FnOnce(&mut Ui)) {
        let (context, mut work) = (Context::default(), Some(work));
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(300.0, 4_000.0)));
        let mut output = context.run_ui(RawInput { screen_rect, ..RawInput::default() }, |ui| {
            if let Some(work) = work.take() {
                work(ui);
            }
        });
        output.textures_delta.clear();
    }

    /// Words, of which every seventh has another style.
    fn text(words: usize) -> LayoutJob {
        let mut job = LayoutJob::default();
        for number in 0..words {
            let format = TextFormat { italics: number % 7 == 0, ..TextFormat::default() };
            job.append(&format!("{} {number}", "wörd".repeat(number % 3)), 0.0, format);
            if number % 50 == 49 {
                job.append("\n", 0.0, TextFormat::default());
            }
        }
        job
    }

    fn strips(ui: &mut Ui, text: &mut Strips) -> Vec<(String, usize, f32)> {
        text.show(ui, |_, _| {});
        text.strips.iter().map(|strip| (strip.job.text.clone(), strip.end, strip.height)).collect()
    }

    #[test]
    fn strips_are_the_piece() {
        framed(|ui| {
            let job = text(600);
            let whole = lay_out(ui, &job, ui.available_width());
            let found = strips(ui, &mut Strips::of(job.clone()));
            assert!(found.len() > 4, "{}", found.len());
            let height: f32 = found.iter().map(|(_, _, height)| height).sum();
            assert!((height - whole.rect.height()).abs() < 0.01, "{height} {}", whole.rect.height());
            let mut at = 0;
            for (text, end, height) in found {
                assert_eq!(text, part(&job, at, end).text);
                assert_eq!(text.trim_end(), job.text[at..end].trim_end());
                let alone = lay_out(ui, &part(&job, at, end), ui.available_width());
                assert!((alone.rect.height() - height).abs() < 0.01, "{height} {}", alone.rect.height());
                at = end;
            }
            assert_eq!(at, job.text.len());
        });
    }

    #[test]
    fn what_has_grown_is_what_is_there_at_once() {
        framed(|ui| {
            let mut grown = Strips::of(text(0));
            for words in (0..400).step_by(3) {
                let mut next = Strips::of(text(words));
                next.grown_from(grown);
                let (found, expected) = (strips(ui, &mut next), strips(ui, &mut Strips::of(text(words))));
                assert_eq!(found, expected, "{words} words");
                grown = next;
            }
            let mut other =
                Strips::of(LayoutJob::simple_singleline("x".into(), Default::default(), Default::default()));
            other.grown_from(grown);
            assert_eq!(strips(ui, &mut other).len(), 1);
        });
    }

    #[test]
    fn what_is_out_of_sight_is_left_out() {
        framed(|ui| {
            ui.set_clip_rect(Rect::from_min_size(Pos2::new(0.0, 600.0), vec2(300.0, 100.0)));
            let (mut drawn, mut piece) = (Vec::new(), Strips::of(text(1_000)));
            let top = ui.cursor().top();
            piece.show(ui, |ui, shown| {
                drawn.push(shown.from);
                ui.add(egui::Label::new(egui::WidgetText::LayoutJob(shown.job)).wrap());
            });
            assert!((1..=3).contains(&drawn.len()) && drawn[0] > 0, "{drawn:?}");
            assert!(ui.cursor().top() - top > 1_000.0);
        });
    }
}
