//! Pieces of an answer as text for layout.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId, Stroke};

use towline_app::document::code::LineState;
use towline_app::document::{Align, Block, Depth, Document, Piece, Rich, Shape};
use towline_app::text::safe;

use super::document::Clicked;
use super::find;
use super::strips::Strips;
use super::theme::{CODE, Face, Palette, ROW, TEXT};

/// A piece for layout.
#[derive(Debug)]
pub(super) enum Drawn {
    Text {
        text: Strips,
        /// Of which level it is a heading; 0 is none.
        heading: u8,
        links: Vec<(Range<usize>, String)>,
        indent: u8,
        mark: Option<String>,
        is_quoted: bool,
    },
    Code {
        text: Strips,
        head: Option<Head>,
        /// The index of its fence in the document.
        fence: Option<usize>,
    },
    Rule,
    Table(Vec<Vec<Arc<LayoutJob>>>, Vec<Align>),
}

/// The header above the first lines of code.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) info: String,
    /// The action of its button.
    pub(super) copies: Clicked,
}

/// The search text to highlight in a block, and its current match.
#[derive(Debug)]
pub(super) struct BlockHighlights<'a> {
    pub(super) letters: &'a [char],
    pub(super) current: Option<usize>,
}

impl BlockHighlights<'_> {
    /// Highlights a text; the count of matches continues with the next one.
    fn mark(&mut self, mut job: LayoutJob, palette: &Palette) -> LayoutJob {
        let places = find::occurrences(&job.text, self.letters);
        find::mark(&mut job, &places, self.current, palette);
        self.current = self.current.and_then(|current| current.checked_sub(places.len()));
        job
    }
}

/// A block's pieces.
pub(super) fn of(
    document: &Document,
    block: &Block,
    palette: &Palette,
    mut highlights: BlockHighlights<'_>,
) -> Vec<Drawn> {
    match &block.shape {
        Shape::Code { fence, inside } => {
            code(document, block, (*fence, *inside), palette, &mut highlights).into_iter().collect()
        }
        Shape::Prose | Shape::Item | Shape::Formula | Shape::Table { .. } => {
            document.pieces(block).into_iter().map(|piece| drawn(piece, palette, &mut highlights)).collect()
        }
    }
}

/// The number of matches in a block, as drawn.
pub(super) fn count(document: &Document, block: &Block, letters: &[char]) -> usize {
    let count = |text: &str| find::occurrences(text, letters).len();
    let all = |rows: &[Vec<Rich>]| rows.iter().flatten().map(|cell| count(&cell.text)).sum();
    match &block.shape {
        Shape::Code { fence, .. } => {
            let Some(fenced) = document.fence(*fence) else { return 0 };
            let text = document.text().get(block.range.clone()).unwrap_or_default();
            text.lines().map(|line| count(&safe::text(fenced.line(line)))).sum()
        }
        Shape::Prose | Shape::Item | Shape::Formula | Shape::Table { .. } => {
            let pieces = document.pieces(block);
            let count = |piece: &Piece| match piece {
                Piece::Text { rich, .. } => count(&rich.text),
                Piece::Code { text, .. } => count(text),
                Piece::Table { rows, .. } => all(rows),
                Piece::Rule => 0,
            };
            pieces.iter().map(count).sum()
        }
    }
}

/// Whether a paragraph consists of only a block formula.
fn is_formula(piece: &Piece) -> bool {
    let Piece::Text { rich, .. } = piece else { return false };
    let is_alone = !rich.runs.is_empty() && rich.runs.iter().all(|(_, style)| style.is_formula);
    is_alone && ["\\[", "$$", "\\begin"].iter().any(|begin| rich.text.trim_start().starts_with(begin))
}

/// A formula as written, with a copy button.
fn formula(text: String, palette: &Palette, highlights: &mut BlockHighlights<'_>) -> Drawn {
    let job = highlights.mark(plain_code(&text), palette);
    let head = Head { info: "formula".to_owned(), copies: Clicked::CopyText(text) };
    Drawn::Code { text: Strips::of(job), head: Some(head), fence: None }
}

/// Passes the layout of an earlier, shorter state of a block to its new pieces.
pub(super) fn grown(pieces: &mut [Drawn], before: Vec<Drawn>) {
    for (piece, before) in pieces.iter_mut().zip(before) {
        match (piece, before) {
            (Drawn::Text { text, .. }, Drawn::Text { text: before, .. })
            | (Drawn::Code { text, .. }, Drawn::Code { text: before, .. }) => text.grown_from(before),
            (Drawn::Text { .. } | Drawn::Code { .. } | Drawn::Rule | Drawn::Table(..), _) => {}
        }
    }
}

fn drawn(piece: Piece, palette: &Palette, highlights: &mut BlockHighlights<'_>) -> Drawn {
    let is_formula = is_formula(&piece);
    match piece {
        Piece::Text { rich, .. } if is_formula => formula(rich.text, palette, highlights),
        Piece::Text { rich, heading, mark, depth: Depth { lists, quotes, .. } } => Drawn::Text {
            text: Strips::of(highlights.mark(rich_job(&rich, heading, quotes > 0, palette), palette)),
            heading,
            links: rich.links,
            indent: lists + quotes,
            mark,
            is_quoted: quotes > 0,
        },
        Piece::Code { text, .. } => {
            let text = Strips::of(highlights.mark(plain_code(&text), palette));
            Drawn::Code { text, head: None, fence: None }
        }
        Piece::Rule => Drawn::Rule,
        Piece::Table { rows, align } => {
            let mut row = |(index, row): (usize, &Vec<Rich>)| {
                let heading = if index == 0 { 7 } else { 0 };
                let cell = |cell| Arc::new(highlights.mark(rich_job(cell, heading, false, palette), palette));
                row.iter().map(cell).collect()
            };
            Drawn::Table(rows.iter().enumerate().map(&mut row).collect(), align)
        }
    }
}

/// Plain text, without Markdown.
pub(super) fn plain(text: &str, color: Color32) -> LayoutJob {
    LayoutJob::single_section(safe::text(text).into_owned(), format(FontId::proportional(TEXT), color))
}

fn rich_job(rich: &Rich, heading: u8, is_quoted: bool, palette: &Palette) -> LayoutJob {
    let size = match heading {
        1 => 24.0,
        2 => 20.0,
        3 => 18.0,
        0 | 4.. => TEXT,
    };
    let mut job = LayoutJob::default();
    for (range, style) in &rich.runs {
        let is_mono = style.is_code || style.is_formula;
        let is_strong = style.is_bold || heading > 0;
        let is_italic = style.is_italic || is_quoted;
        let font = match (is_mono, is_strong) {
            (true, false) => FontId::monospace(size - 2.0),
            (true, true) => Face::MonoBold.font(size - 2.0),
            (false, true) => Face::SemiBold.font(size),
            (false, false) if is_italic => Face::Italic.font(size),
            (false, false) => FontId::proportional(size),
        };
        let mut format = format(font, Color32::PLACEHOLDER);
        if is_strong {
            format.color = palette.strong;
        }
        if style.is_code {
            format.background = palette.code_ground;
        }
        if style.is_struck {
            format.strikethrough = Stroke::new(1.0, palette.strong);
        }
        if style.is_link {
            format.color = palette.link;
            format.underline = Stroke::new(1.0, palette.link);
        }
        // Only the regular face has its own italic.
        format.italics = is_italic && (is_mono || is_strong);
        coloured(&mut job, &rich.text[range.clone()], format);
    }
    job
}

/// Signs that differ only by colour, which monochrome glyphs do not show: each gets its own colour. They are
/// replaced by circles and squares of the same length in bytes, so that link ranges stay valid.
const SIGNS: [(&str, [u8; 3]); 7] = [
    ("🔴🟥❤❌", [224, 60, 60]),
    ("🟠🟧🧡", [230, 130, 30]),
    ("🟡🟨💛", [214, 170, 20]),
    ("🟢🟩💚✅", [40, 160, 80]),
    ("🔵🟦💙", [50, 120, 220]),
    ("🟣🟪💜", [150, 80, 200]),
    ("🟤🟫", [140, 90, 50]),
];

fn coloured(job: &mut LayoutJob, text: &str, format: TextFormat) {
    let mut from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
        let Some((_, [red, green, blue])) = SIGNS.iter().find(|(signs, _)| signs.contains(c)) else {
            continue;
        };
        if from < at {
            job.append(&text[from..at], 0.0, format.clone());
        }
        from = at + c.len_utf8();
        let sign = match c {
            '🔴' | '🔵' | '🟠'..='🟤' => "● ",
            '🟥'..='🟫' => "■ ",
            _ => &text[at..from],
        };
        let color = Color32::from_rgb(*red, *green, *blue);
        job.append(sign, 0.0, TextFormat { color, ..format.clone() });
    }
    if from < text.len() {
        job.append(&text[from..], 0.0, format);
    }
}

fn format(font_id: FontId, color: Color32) -> TextFormat {
    let line_height = Some(font_id.size * ROW);
    TextFormat { font_id, color, line_height, ..TextFormat::default() }
}

fn code_format() -> TextFormat {
    format(FontId::monospace(CODE), Color32::PLACEHOLDER)
}

fn plain_code(text: &str) -> LayoutJob {
    let mut job = LayoutJob::single_section(text.to_owned(), code_format());
    job.wrap.break_anywhere = true;
    job
}

fn code(
    document: &Document,
    block: &Block,
    (fence, mut inside): (usize, LineState),
    palette: &Palette,
    highlights: &mut BlockHighlights<'_>,
) -> Option<Drawn> {
    let fenced = document.fence(fence)?;
    let is_first = fenced.code.start == block.range.start;
    let mut job = LayoutJob::default();
    let text = document.text().get(block.range.clone()).unwrap_or_default();
    let text = text.strip_suffix('\n').unwrap_or(text);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            job.append("\n", 0.0, code_format());
        }
        fenced.language.scan(&mut inside, fenced.line(line), |text, kind| {
            let mut format = code_format();
            if let Some(color) = palette.code(kind) {
                format.color = color;
            }
            job.append(&safe::text(text), 0.0, format);
        });
    }
    job.wrap.break_anywhere = true;
    let head =
        is_first.then(|| Head { info: safe::text(&fenced.info).into_owned(), copies: Clicked::Copy(fence) });
    if job.text.is_empty() && head.is_none() {
        return None;
    }
    Some(Drawn::Code { text: Strips::of(highlights.mark(job, palette)), head, fence: Some(fence) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_one_shape_differ_by_their_colour_and_move_nothing() {
        let mut job = LayoutJob::default();
        let text = "ok 🟢, no 🔴 ✅ end";
        coloured(&mut job, text, format(FontId::proportional(TEXT), Color32::PLACEHOLDER));
        assert_eq!((job.text.as_str(), job.text.len()), ("ok ● , no ●  ✅ end", text.len()));
        let colors: Vec<Color32> = job.sections.iter().map(|section| section.format.color).collect();
        assert_eq!(colors.len(), 7);
        assert!(colors[1] != colors[3] && colors[1] == colors[5] && colors[0] == Color32::PLACEHOLDER);
    }
}
