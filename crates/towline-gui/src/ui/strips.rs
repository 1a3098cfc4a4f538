//! A piece of text as strips of a few rows: only visible strips are painted and passed to the accessibility
//! tree, and only the last strip of a growing piece is laid out again. Each styled part of a text is shaped on its
//! own, which takes long, so a frame lays out a limited number of them, and the next frames continue.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{CCursor, CharIndex, LayoutJob, LayoutSection};
use egui::{Galley, Id, Rect, Ui, vec2};

use super::find::CURRENT;
use super::theme::{CODE, ROW, TEXT};

/// Number of rows of a strip. A piece with fewer than twice as many rows is one strip, and so is the rest of
/// a longer one.
const ROWS: usize = 12;
/// Maximum number of styled parts that are cut into strips at once.
const MAX_SECTIONS: usize = 512;
/// Number of styled parts after which a frame lays out no more.
const MAX_FRAME_SECTIONS: usize = 1_024;

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
    /// The pass that last laid it out.
    pass: u64,
}

/// A strip.
#[derive(Debug)]
pub(super) struct VisibleStrip {
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
    pub(super) fn show(&mut self, ui: &mut Ui, mut draw: impl FnMut(&mut Ui, VisibleStrip)) -> Option<f32> {
        let width = ui.available_width();
        #[expect(clippy::float_cmp, reason = "the same width gives the same rows; any other does not")]
        if self.width != width {
            self.width = width;
            self.strips.clear();
        }
        self.complete(ui);
        let pass = ui.ctx().cumulative_pass_nr();
        let (mut from, mut skipped, mut current) = (0, 0.0, None);
        for strip in &mut self.strips {
            let top = ui.cursor().left_top() + vec2(0.0, skipped);
            if has_current(&strip.job) {
                current = current_in(&lay_out(ui, &strip.job, width)).map(|down| top.y + down);
            }
            let is_visible = ui.is_rect_visible(Rect::from_min_size(top, vec2(width, strip.height)));
            if is_visible && (strip.pass + 1 >= pass || may_lay_out(ui, &strip.job)) {
                strip.pass = pass;
                ui.add_space(std::mem::take(&mut skipped));
                draw(ui, VisibleStrip { job: Arc::clone(&strip.job), from });
            } else {
                skipped += strip.height;
            }
            from = strip.end;
        }
        ui.add_space(skipped + estimate(&self.job.text[from..], width));
        current
    }

    /// Cuts the text that is in no strip yet into strips, as far as this frame may.
    fn complete(&mut self, ui: &Ui) {
        let length = self.job.text.len();
        loop {
            let from = self.strips.last().map_or(0, |strip| strip.end);
            if from == length && (length > 0 || !self.strips.is_empty()) {
                return;
            }
            let (mut piece, mut end) = self.piece(from, MAX_SECTIONS);
            if !may_lay_out(ui, &piece) {
                return;
            }
            let mut galley = lay_out(ui, &piece, self.width);
            if end < length && galley.rows.len() == 1 {
                (piece, end) = self.piece(from, usize::MAX);
                galley = lay_out(ui, &piece, self.width);
            }
            // The last row may continue after the piece.
            let rows = galley.rows.len() - usize::from(end < length);
            self.cut(&galley, (piece, from..end), rows, ui.ctx().cumulative_pass_nr());
        }
    }

    /// The text from a position on, with at most this many styled parts, and its end.
    fn piece(&self, from: usize, sections: usize) -> (Arc<LayoutJob>, usize) {
        let length = self.job.text.len();
        let first = self.job.sections.partition_point(|section| section.byte_range.end.0 <= from);
        let next = self.job.sections.get(first.saturating_add(sections));
        let end = next.map_or(length, |section| section.byte_range.start.0);
        let is_whole = from == 0 && end == length;
        (if is_whole { Arc::clone(&self.job) } else { Arc::new(part(&self.job, from, end)) }, end)
    }

    /// Cuts the first rows of a piece into strips.
    fn cut(
        &mut self,
        galley: &Galley,
        (piece, bytes): (Arc<LayoutJob>, Range<usize>),
        rows: usize,
        pass: u64,
    ) {
        let top = |row: usize| galley.rows.get(row).map_or(galley.rect.height(), |row| row.pos.y);
        let (mut row, mut at) = (0, bytes.start);
        while row < rows {
            let next = if rows >= row + 2 * ROWS { row + ROWS } else { rows };
            let letters = galley.rows[row..next].iter().map(|row| row.char_count_including_newline().0).sum();
            let end = match next < galley.rows.len() {
                true => {
                    self.job.text[at..].char_indices().nth(letters).map_or(bytes.end, |(end, _)| at + end)
                }
                false => bytes.end,
            };
            let height = top(next) - top(row);
            self.strips.push(match (at..end) == bytes {
                true => Strip { job: Arc::clone(&piece), end, height, pass },
                false => Strip { job: Arc::new(part(&self.job, at, end)), end, height, pass: 0 },
            });
            (row, at) = (next, end);
        }
    }
}

/// Whether this frame may lay out another text. If not, the next frame continues.
fn may_lay_out(ui: &Ui, job: &LayoutJob) -> bool {
    let now = ui.ctx().cumulative_pass_nr();
    let may = ui.data_mut(|data| {
        let (pass, sections): &mut (u64, usize) = data.get_temp_mut_or_default(Id::unique("laid out"));
        if std::mem::replace(pass, now) != now {
            *sections = 0;
        }
        let may = *sections < MAX_FRAME_SECTIONS;
        *sections += job.sections.len();
        may
    });
    if !may {
        ui.ctx().request_repaint();
    }
    may
}

/// The likely height of a text, in points.
#[expect(clippy::cast_precision_loss, reason = "a height on a screen")]
pub(super) fn estimate(text: &str, width: f32) -> f32 {
    let per_line = (width / (TEXT * 0.5)).max(10.0);
    let lines = text.lines().count() as f32 + (text.len() as f32 / per_line) * 0.5;
    lines * CODE * ROW
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
        framed_in(&Context::default(), work);
    }

    fn framed_in(context: &Context, work: impl FnOnce(&mut Ui)) {
        let mut work = Some(work);
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
        let (context, mut grown) = (Context::default(), Some(Strips::of(text(0))));
        for words in (0..400).step_by(3) {
            framed_in(&context, |ui| {
                let mut next = Strips::of(text(words));
                next.grown_from(grown.take().unwrap());
                let (found, expected) = (strips(ui, &mut next), strips(ui, &mut Strips::of(text(words))));
                assert_eq!(found, expected, "{words} words");
                grown = Some(next);
            });
        }
        framed_in(&context, |ui| {
            let mut other =
                Strips::of(LayoutJob::simple_singleline("x".into(), Default::default(), Default::default()));
            other.grown_from(grown.take().unwrap());
            assert_eq!(strips(ui, &mut other).len(), 1);
        });
    }

    #[test]
    fn many_styles_are_laid_out_over_several_frames() {
        let mut job = LayoutJob::default();
        for number in 0..3_000 {
            let format = TextFormat { italics: number % 2 == 0, ..TextFormat::default() };
            job.append("w ", 0.0, format);
        }
        let (context, mut piece, mut frames) = (Context::default(), Strips::of(job.clone()), 0);
        while piece.strips.last().is_none_or(|strip| strip.end < job.text.len()) {
            let before = piece.strips.len();
            framed_in(&context, |ui| {
                piece.show(ui, |_, _| {});
            });
            assert!(piece.strips.len() > before, "each frame continues");
            frames += 1;
        }
        assert!((2..10).contains(&frames), "{frames}");
        framed_in(&context, |ui| {
            let whole = lay_out(ui, &job, ui.available_width());
            let height: f32 = piece.strips.iter().map(|strip| strip.height).sum();
            assert!((height - whole.rect.height()).abs() < 0.01, "{height} {}", whole.rect.height());
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
