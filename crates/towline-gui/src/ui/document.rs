//! The blocks of an answer: draws the visible ones, and knows only the height of the others.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use egui::text::LayoutJob;
use egui::{Button, Galley, Label, Rect, Role, ScrollArea, Stroke, Ui, UiBuilder, WidgetText};

use super::find::Highlights;
use super::icons;
use super::links::words;
use super::named::{describe, named, region};
use super::pieces::{self, Drawn};
use super::strips::{Strips, current_in, estimate};
use super::theme::{Palette, ROUND};
use towline_app::document::{Align, Block, Document, Shape};

/// Number of blocks whose heights are summed up together.
const CHUNK: usize = 64;
/// Number of blocks around the visible ones whose drawn pieces are kept.
const KEPT: usize = 24;
/// The gap between two blocks, in points.
const GAP: f32 = 12.0;
/// The indentation of a list or a quote, in points.
const INDENT: f32 = 26.0;
/// The gap between the mark of an item and its text, in points.
const MARK_GAP: f32 = 7.0;
/// The gap between two items of a list, in points.
const ITEM_GAP: f32 = 6.0;

/// The maximum width of a line, in points; a line of more than 2 KiB is split.
const WIDEST: f32 = 50_000.0;

/// The layout of a document's blocks at one width.
#[derive(Debug, Default)]
pub struct Layout {
    heights: Vec<f32>,
    chunks: Vec<f32>,
    pieces: HashMap<usize, Vec<Drawn>>,
    open: Option<Open>,
    /// The fences whose lines are not wrapped.
    across: HashMap<usize, SharedScroll>,
    /// The highlights in the pieces.
    highlights: Highlights,
    /// The position of the current match, in the last frame.
    pub(super) current: Option<f32>,
    /// The width, pixels per point and theme of this layout.
    made_for: Option<(u32, u32, bool)>,
}

/// The horizontal scroll of code whose lines are not wrapped. Its blocks scroll together.
#[derive(Debug, Default)]
struct SharedScroll {
    /// How far to the right, in points.
    offset: f32,
    /// The width of its widest block so far, in points.
    width: f32,
}

/// The growing block, as last drawn.
#[derive(Debug)]
struct Open {
    range: Range<usize>,
    pieces: Vec<Drawn>,
}

/// A click in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clicked {
    /// The copy button of this fence.
    Copy(usize),
    /// The copy button of this text.
    CopyText(String),
    /// Whether the lines of this fence are wrapped.
    Wrap(usize),
    /// A link.
    Link(String),
}

impl Layout {
    /// Updates the heights: new closed blocks get an estimate until they are visible.
    fn update(&mut self, document: &Document, key: (u32, u32, bool), width: f32) {
        if self.made_for != Some(key) {
            let across = std::mem::take(&mut self.across);
            let highlights = std::mem::take(&mut self.highlights);
            *self = Self { made_for: Some(key), across, highlights, ..Self::default() };
        }
        for block in document.blocks().iter().skip(self.heights.len()) {
            let text = document.text().get(block.range.clone()).unwrap_or_default();
            let index = self.heights.len();
            let height = estimate(text, width);
            self.heights.push(height);
            if index.is_multiple_of(CHUNK) {
                self.chunks.push(0.0);
            }
            self.chunks[index / CHUNK] += height + gap(document, index);
        }
    }

    /// The pieces of a closed block.
    fn closed(&mut self, document: &Document, index: usize, palette: &Palette) -> &mut [Drawn] {
        let (block, open) = (&document.blocks()[index], &mut self.open);
        let highlights = self.highlights.of_block(index);
        self.pieces.entry(index).or_insert_with(|| {
            let mut pieces = pieces::of(document, block, palette, highlights);
            if let Some(before) = open.take_if(|open| open.range.start == block.range.start) {
                pieces::grown(&mut pieces, before.pieces);
            }
            pieces
        })
    }

    /// The pieces of the growing block.
    fn grown(&mut self, document: &Document, block: &Block, palette: &Palette) -> &mut [Drawn] {
        let before = self.open.take();
        let pieces = match before {
            Some(Open { range, pieces }) if range == block.range => pieces,
            before => {
                let highlights = self.highlights.of_block(document.blocks().len());
                let mut pieces = pieces::of(document, block, palette, highlights);
                if let Some(before) = before.filter(|before| before.range.start == block.range.start) {
                    pieces::grown(&mut pieces, before.pieces);
                }
                pieces
            }
        };
        &mut self.open.insert(Open { range: block.range.clone(), pieces }).pieces
    }

    fn measured(&mut self, index: usize, height: f32) {
        let old = std::mem::replace(&mut self.heights[index], height);
        self.chunks[index / CHUNK] += height - old;
    }
}

/// The gap below a closed block. It depends only on the block, so it never changes.
fn gap(document: &Document, index: usize) -> f32 {
    let is_item = document.blocks().get(index).is_some_and(|block| block.shape == Shape::Item);
    if is_item { ITEM_GAP } else { GAP }
}

/// Draws a document from the top of `ui` downwards.
pub(super) fn show(
    ui: &mut Ui,
    document: &Document,
    layout: &mut Layout,
    is_live: bool,
    (highlights, is_sought): (Highlights, bool),
) -> Option<Clicked> {
    let palette = Palette::at(ui);
    let width = ui.available_width();
    let key = (width.to_bits(), ui.pixels_per_point().to_bits(), ui.visuals().dark_mode);
    layout.update(document, key, width);
    if layout.highlights != highlights {
        layout.highlights = highlights;
        (layout.pieces, layout.open) = (HashMap::new(), None);
    }
    layout.current = None;
    let sought = layout.highlights.current.filter(|_| is_sought).map(|(block, _)| block);
    let clip = ui.clip_rect();
    let top = ui.cursor().top();
    let (mut at, mut skipped, mut clicked) = (top, 0.0, None);
    let mut across = std::mem::take(&mut layout.across);
    let mut visible: Option<(usize, usize)> = None;
    ui.spacing_mut().item_spacing.y = 0.0;
    let blocks = document.blocks();
    let mut index = 0;
    while index < blocks.len() {
        if index.is_multiple_of(CHUNK) {
            let chunk = layout.chunks[index / CHUNK];
            let is_whole = index + CHUNK <= blocks.len();
            let is_sought = sought.is_some_and(|sought| sought / CHUNK == index / CHUNK);
            if is_whole && !is_sought && (at + chunk < clip.top() || at > clip.bottom()) {
                at += chunk;
                skipped += chunk;
                index += CHUNK;
                continue;
            }
        }
        let height = layout.heights[index] + gap(document, index);
        if sought != Some(index) && (at + height < clip.top() || at > clip.bottom()) {
            skipped += height;
            at += height;
        } else {
            ui.add_space(std::mem::take(&mut skipped));
            let from = ui.cursor().top();
            let pieces = layout.closed(document, index, palette);
            let current = named(ui, index, |ui| draw(ui, pieces, &mut across, &mut clicked));
            layout.current = layout.current.or(current);
            let measured = ui.cursor().top() - from;
            layout.measured(index, measured);
            ui.add_space(gap(document, index));
            at = ui.cursor().top();
            visible = Some((visible.map_or(index, |(first, _)| first), index));
        }
        index += 1;
    }
    ui.add_space(skipped);
    if let Some(open) = document.open() {
        let is_visible = ui.cursor().top() < clip.bottom();
        if is_visible || is_live || sought == Some(blocks.len()) {
            let pieces = layout.grown(document, &open, palette);
            let current = named(ui, "open", |ui| draw(ui, pieces, &mut across, &mut clicked));
            layout.current = layout.current.or(current);
            ui.add_space(GAP);
        }
    }
    if layout.pieces.len() > 4 * KEPT {
        let (first, last) = visible.unwrap_or((blocks.len(), blocks.len()));
        layout.pieces.retain(|index, _| index + KEPT >= first && *index <= last + KEPT);
    }
    if let Some(Clicked::Wrap(fence)) = clicked
        && across.remove(&fence).is_none()
    {
        across.insert(fence, SharedScroll::default());
    }
    layout.across = across;
    clicked
}

fn draw(
    ui: &mut Ui,
    pieces: &mut [Drawn],
    across: &mut HashMap<usize, SharedScroll>,
    clicked: &mut Option<Clicked>,
) -> Option<f32> {
    let palette = Palette::at(ui);
    let mut current = None;
    for (number, piece) in pieces.iter_mut().enumerate() {
        if number > 0 {
            ui.add_space(4.0);
        }
        match piece {
            Drawn::Text { text, heading, links, indent, mark, is_quoted } => {
                let mut link = |ui: &mut Ui| {
                    let mut found = None;
                    let at = text.show(ui, |ui, shown| {
                        found = found.take().or_else(|| words(ui, shown, *heading, links))
                    });
                    current = current.or(at);
                    found
                };
                let found = if *indent == 0 && mark.is_none() {
                    link(ui)
                } else {
                    let before = f32::from(*indent) * INDENT;
                    ui.horizontal_top(|ui| {
                        ui.spacing_mut().item_spacing.x = 0.0;
                        if let Some(mark) = mark {
                            let mark = pieces::plain(mark, palette.weak);
                            let mark = ui.fonts_mut(|fonts| fonts.layout_job(mark));
                            ui.add_space((before - mark.size().x - MARK_GAP).max(0.0));
                            ui.spacing_mut().item_spacing.x = MARK_GAP;
                            ui.add(Label::new(mark).selectable(false));
                        } else {
                            ui.add_space(before);
                        }
                        let left = ui.cursor().left() - 8.0;
                        let from = ui.cursor().top();
                        let found = ui.vertical(link).inner;
                        if *is_quoted {
                            let bar = Rect::from_x_y_ranges(left..=left + 2.0, from..=ui.min_rect().bottom());
                            ui.painter().rect_filled(bar, 1.0, palette.link);
                        }
                        found
                    })
                    .inner
                };
                if let Some(link) = found {
                    *clicked = Some(Clicked::Link(link));
                }
            }
            Drawn::Code { text, head, fence } => {
                let across = fence.and_then(|fence| across.get_mut(&fence));
                let (at, action) = code(ui, text, (head.as_ref(), *fence), across);
                (current, *clicked) = (current.or(at), clicked.take().or(action));
            }
            Drawn::Rule => {
                ui.separator();
            }
            Drawn::Table(rows, align) => current = current.or(table(ui, rows, align, number)),
        }
    }
    current
}

fn code(
    ui: &mut Ui,
    text: &mut Strips,
    (head, fence): (Option<&pieces::Head>, Option<usize>),
    across: Option<&mut SharedScroll>,
) -> (Option<f32>, Option<Clicked>) {
    let palette = Palette::at(ui);
    let mut clicked = None;
    let frame = egui::Frame::new().fill(palette.code_ground).stroke(Stroke::new(1.0, palette.edge));
    let frame = frame.corner_radius(ROUND).inner_margin(egui::Margin::symmetric(14, 8));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if let Some(head) = head {
            ui.horizontal(|ui| {
                ui.weak(if head.info.is_empty() { "code" } else { &head.info });
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if icons::copy(ui, if head.info == "formula" { "Copy formula" } else { "Copy code" }) {
                        clicked = Some(head.copies.clone());
                    }
                    if let Some(fence) = fence {
                        let button = Button::selectable(across.is_none(), "Wrap").small();
                        if ui.add(button).accessible_name("Wrap lines").clicked() {
                            clicked = Some(Clicked::Wrap(fence));
                        }
                    }
                });
            });
            ui.add_space(4.0);
        }
        if text.is_empty() {
            return None;
        }
        let mut lines = |ui: &mut Ui| {
            text.show(ui, |ui, shown| drop(ui.add(Label::new(WidgetText::LayoutJob(shown.job)).wrap())))
        };
        let Some(across) = across else { return lines(ui) };
        let area = ScrollArea::horizontal().horizontal_scroll_offset(across.offset);
        let shown = area.show(ui, |ui| {
            ui.set_max_width(WIDEST);
            // Every block scrolls as far as the widest.
            ui.set_min_width(across.width);
            lines(ui)
        });
        across.width = across.width.max(shown.content_size.x);
        across.offset = shown.state.clamped_offset().x;
        shown.inner
    });
    (shown.inner, clicked)
}

/// The padding of a table cell, in points.
const CELL: egui::Vec2 = egui::vec2(10.0, 5.0);

fn table(ui: &mut Ui, rows: &[Vec<Arc<LayoutJob>>], align: &[Align], number: usize) -> Option<f32> {
    let columns = rows.first().map_or(1, Vec::len).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a width on a screen")]
    let widest = (ui.available_width() / columns as f32 - 2.0 * CELL.x).max(90.0);
    let lay_out = |cell: &Arc<LayoutJob>| {
        let mut job = LayoutJob::clone(cell);
        job.wrap.max_width = widest;
        ui.fonts_mut(|fonts| fonts.layout_job(job))
    };
    let rows: Vec<Vec<Arc<Galley>>> = rows.iter().map(|row| row.iter().map(lay_out).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.size().x).fold(0.0, f32::max) + 2.0 * CELL.x
    };
    let height =
        |row: &Vec<Arc<Galley>>| row.iter().map(|cell| cell.size().y).fold(0.0, f32::max) + 2.0 * CELL.y;
    let widths: Vec<f32> = (0..columns).map(width).collect();
    let size = egui::vec2(widths.iter().sum(), rows.iter().map(height).sum());
    ScrollArea::horizontal()
        .id_salt(("table", number))
        .show(ui, |ui| {
            region(ui, Role::Table, "Table");
            let (place, _) = ui.allocate_exact_size(size, egui::Sense::hover());
            let (mut top, mut current) = (place.top(), None);
            for (index, row) in rows.iter().enumerate() {
                let (mut left, bottom) = (place.left(), top + height(row));
                let mut line = ui.new_child(UiBuilder::new().max_rect(place).accessibility_role(Role::Row));
                for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    let free = width - 2.0 * CELL.x - cell.size().x;
                    let before = match align.get(column).copied().unwrap_or_default() {
                        Align::Left => 0.0,
                        Align::Center => free / 2.0,
                        Align::Right => free,
                    };
                    let at = egui::pos2(left + CELL.x + before, top + CELL.y);
                    current = current.or_else(|| current_in(cell).map(|down| at.y + down));
                    let shown = line.put(Rect::from_min_size(at, cell.size()), Label::new(Arc::clone(cell)));
                    let role = if index == 0 { Role::ColumnHeader } else { Role::Cell };
                    describe(&shown, role, cell.text(), |_| {});
                    left += width;
                }
                let weight = if index == 0 { 2.0 } else { 1.0 };
                ui.painter().hline(place.x_range(), bottom, Stroke::new(weight, Palette::at(ui).edge));
                top = bottom;
            }
            current
        })
        .inner
}
