//! Search in the open chat: the matches, and the search bar.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use egui::style::ScrollAnimation;
use egui::text::{LayoutJob, LayoutSection};
use egui::{Align, Color32, Key, Modifiers, Rect, TextEdit, Ui};
use towline_app::chat::{AnswerId, Turn, TurnId};
use towline_app::text::safe;

use super::icons;
use super::pieces::{self, BlockHighlights};
use super::theme::{self, Palette};
use super::turn::LONG_QUESTION;
use crate::chats::{Chat, ChatKey};
use crate::command::{Command, Commands, FindOrder};

/// Maximum length of the search text, in characters.
const MAX_LETTERS: usize = 200;
/// The amount of text that one frame searches, in bytes; the rest follows in the next frames.
const MAX_FRAME_BYTES: usize = 512 << 10;
/// The number of frames for scrolling to a match, because estimated heights change on the way.
const MAX_FRAMES: u8 = 12;
/// Room beside the field for the buttons and the number of matches, in points.
const BESIDE: f32 = 236.0;
/// The background and the text colour of the current match.
pub const CURRENT: Color32 = Color32::from_rgb(240, 160, 60);
const ON_CURRENT: Color32 = Color32::from_rgb(16, 18, 22);

/// A text that can contain matches. The growing block has the number that it will have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatchSource {
    Question(TurnId),
    Block(AnswerId, usize),
}

impl MatchSource {
    fn turn(self) -> TurnId {
        match self {
            Self::Question(turn) => turn,
            Self::Block(answer, _) => answer.turn,
        }
    }
}

/// The number of matches in an answer.
#[derive(Debug, Default)]
struct Counted {
    /// For each closed block.
    blocks: Vec<usize>,
    /// For the open block, with the length of the text at the time.
    open: (usize, usize),
}

/// The search text and its matches.
#[derive(Debug, Default)]
pub struct Find {
    /// As it is typed.
    pub text: String,
    letters: Arc<[char]>,
    chat: Option<ChatKey>,
    spots: Vec<(MatchSource, usize)>,
    /// The number of the current match.
    current: usize,
    /// The number of remaining frames for scrolling to it.
    frames: u8,
    answers: HashMap<AnswerId, Counted>,
    questions: HashMap<TurnId, (usize, usize)>,
}

/// The highlights of a document: the search text, and the block and position of the current match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Highlights {
    pub(super) letters: Arc<[char]>,
    pub(super) current: Option<(usize, usize)>,
}

impl Highlights {
    /// The highlights of one of its blocks.
    pub(super) fn of_block(&self, block: usize) -> BlockHighlights<'_> {
        let current = self.current.filter(|(marked, _)| *marked == block).map(|(_, number)| number);
        BlockHighlights { letters: &self.letters, current }
    }
}

impl Find {
    /// Sets another search text, and starts from this turn.
    pub fn set(&mut self, text: String, chat: &Chat, from: Option<TurnId>) {
        let is_blank = text.trim().is_empty();
        let letters = text.chars().filter(|_| !is_blank).flat_map(char::to_lowercase);
        self.letters = letters.take(MAX_LETTERS).collect();
        self.text = text;
        self.chat = None;
        // The rest of a long chat is searched in the next frames.
        let _has_more = self.update(chat);
        let before = self.spots.iter().take_while(|(spot, _)| from.is_some_and(|from| spot.turn() < from));
        self.current = before.map(|(_, count)| count).sum();
        self.step(0);
    }

    /// Moves to the next or the previous match.
    pub fn step(&mut self, places: isize) {
        let total = self.total().max(1);
        self.current = (self.current % total).checked_add_signed(places).unwrap_or(total - 1) % total;
        self.frames = if self.letters.is_empty() { 0 } else { MAX_FRAMES };
    }

    /// Updates the matches from the chat. Text that was searched once is not read again. Returns whether
    /// there is more.
    pub(super) fn update(&mut self, chat: &Chat) -> bool {
        if self.chat.replace(chat.key) != Some(chat.key) {
            (self.answers, self.questions, self.current) = (HashMap::new(), HashMap::new(), 0);
        }
        self.spots.clear();
        if self.letters.is_empty() {
            return false;
        }
        let mut left = MAX_FRAME_BYTES;
        let mut add = |spot, count| self.spots.extend((count > 0).then_some((spot, count)));
        for turn in chat.conversation.turns() {
            let words = question(turn);
            let counted = self.questions.entry(turn.id).or_insert((usize::MAX, 0));
            if counted.0 != words.len() {
                let shown: String = safe::text(words).chars().take(LONG_QUESTION).collect();
                *counted = (words.len(), occurrences(&shown, &self.letters).len());
            }
            add(MatchSource::Question(turn.id), counted.1);
            for variant in turn.side_by_side() {
                let Some(answer) = chat.answers.get(&variant.id) else { continue };
                let (document, counted) = (&answer.text, self.answers.entry(variant.id).or_default());
                for block in document.blocks().iter().skip(counted.blocks.len()) {
                    if left == 0 {
                        return true;
                    }
                    left = left.saturating_sub(block.range.len());
                    counted.blocks.push(pieces::count(document, block, &self.letters));
                }
                let length = document.text().len();
                if counted.open.0 != length {
                    let open = document.open();
                    counted.open =
                        (length, open.map_or(0, |open| pieces::count(document, &open, &self.letters)));
                }
                for (block, count) in counted.blocks.iter().chain([&counted.open.1]).enumerate() {
                    add(MatchSource::Block(variant.id, block), *count);
                }
            }
        }
        false
    }

    fn total(&self) -> usize {
        self.spots.iter().map(|(_, count)| count).sum()
    }

    /// The text of the current match, and its number there.
    fn place(&self) -> Option<(MatchSource, usize)> {
        let mut left = self.current;
        for (spot, count) in &self.spots {
            if left < *count {
                return Some((*spot, left));
            }
            left -= count;
        }
        None
    }

    /// Whether the view scrolls to this turn now.
    pub(super) fn seeks(&self, turn: TurnId) -> bool {
        self.frames > 0 && self.place().is_some_and(|(spot, _)| spot.turn() == turn)
    }

    /// Whether the view scrolls to a match now.
    pub(super) fn is_seeking(&self) -> bool {
        self.frames > 0 && self.place().is_some()
    }

    /// The highlights of an answer.
    pub(super) fn highlights(&self, id: AnswerId) -> Highlights {
        let current = match self.place() {
            Some((MatchSource::Block(answer, block), number)) if answer == id => Some((block, number)),
            Some((MatchSource::Block(..) | MatchSource::Question(_), _)) | None => None,
        };
        Highlights { letters: Arc::clone(&self.letters), current }
    }

    /// Highlights the matches in a question.
    pub(super) fn mark_question(&self, job: &mut LayoutJob, turn: TurnId, palette: &Palette) {
        let current =
            self.place().filter(|(spot, _)| *spot == MatchSource::Question(turn)).map(|(_, number)| number);
        mark(job, &occurrences(&job.text, &self.letters), current, palette);
    }

    /// Scrolls to the current match at this height, unless it is visible.
    pub(super) fn reached(&mut self, ui: &Ui, top: f32) {
        if self.frames == 0 {
            return;
        }
        let rect = Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=top + 24.0);
        let clip = ui.clip_rect();
        self.frames -= 1;
        if clip.top() <= rect.top() && rect.bottom() <= clip.bottom() {
            self.frames = 0;
        } else {
            ui.scroll_to_rect_animation(rect, Some(Align::Center), ScrollAnimation::none());
        }
        ui.ctx().request_repaint();
    }
}

/// The displayed text of a question.
pub(super) fn question(turn: &Turn) -> &str {
    turn.answer().words.as_deref().unwrap_or(&turn.question.content)
}

/// Draws the bar.
pub fn show(ui: &mut Ui, find: &Find, takes_focus: bool, out: &mut Commands) {
    let id = egui::Id::unique("find");
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    let mut order = |order| out.push(Command::Find(order));
    let is_free = ui.memory(|memory| memory.focused().is_none());
    if (has_focus || is_free) && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
        order(FindOrder::Close);
    }
    for (modifiers, places) in [(Modifiers::SHIFT, -1), (Modifiers::NONE, 1)] {
        if has_focus && ui.input_mut(|input| input.consume_key(modifiers, Key::Enter)) {
            order(FindOrder::Go(places));
        }
    }
    ui.horizontal(|ui| {
        let mut text = find.text.clone();
        let width = (ui.available_width() - BESIDE).clamp(100.0, 320.0);
        let field =
            TextEdit::singleline(&mut text).id(id).hint_text("Find in this chat").desired_width(width);
        let response = theme::field(ui, field).accessible_name("Find in this chat");
        if takes_focus {
            response.request_focus();
        }
        if response.changed() {
            order(FindOrder::Text(text));
        }
        for (sign, name, places) in [("⏶", "Previous place", -1), ("⏷", "Next place", 1)] {
            if icons::button(ui, sign, name).clicked() {
                order(FindOrder::Go(places));
            }
        }
        if icons::button(ui, "✖", "Close the search").clicked() {
            order(FindOrder::Close);
        }
        match find.total() {
            _ if find.letters.is_empty() => {}
            0 => drop(ui.colored_label(Palette::at(ui).warning, "nothing found")),
            total => drop(ui.weak(format!("{} of {total}", find.current % total + 1))),
        }
    });
}

/// The matches of a text in any case, without overlaps.
pub(super) fn occurrences(text: &str, letters: &[char]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match end_of(&text[at..], letters) {
            Some(length) => {
                found.push(at..at + length);
                at += length;
            }
            None => at += letter.len_utf8(),
        }
    }
    found
}

/// The end of a match at the beginning of a text.
fn end_of(text: &str, letters: &[char]) -> Option<usize> {
    let mut left = letters.iter();
    for (at, c) in text.char_indices() {
        if left.as_slice().is_empty() {
            return (at > 0).then_some(at);
        }
        for c in c.to_lowercase() {
            if left.next() != Some(&c) {
                return None;
            }
        }
    }
    (left.as_slice().is_empty() && !letters.is_empty()).then_some(text.len())
}

/// Highlights matches in a text, one of them as the current one.
pub(super) fn mark(job: &mut LayoutJob, places: &[Range<usize>], current: Option<usize>, palette: &Palette) {
    if places.is_empty() {
        return;
    }
    let mut sections = Vec::with_capacity(job.sections.len() + 2 * places.len());
    for section in &job.sections {
        let (mut at, end) = (section.byte_range.start.0, section.byte_range.end.0);
        while at < end {
            let next = places.partition_point(|place| place.end <= at);
            let (until, is_in) = match places.get(next) {
                Some(place) if place.start <= at => (place.end.min(end), true),
                Some(place) => (place.start.min(end), false),
                None => (end, false),
            };
            let mut part = LayoutSection { byte_range: at.into()..until.into(), ..section.clone() };
            if is_in {
                let is_current = current == Some(next);
                let colors = if is_current { (CURRENT, ON_CURRENT) } else { (palette.found, palette.strong) };
                (part.format.background, part.format.color) = colors;
            }
            if at > section.byte_range.start.0 {
                part.leading_space = 0.0;
            }
            sections.push(part);
            at = until;
        }
    }
    job.sections = sections;
}

#[cfg(test)]
mod tests {
    use egui::text::TextFormat;

    use super::*;

    #[test]
    fn letters_are_found_whatever_their_case() {
        for (text, wanted, places) in [
            ("A river, a RIVER, a Riverbed", "river", &[2..7, 11..16, 20..25][..]),
            ("aaaa", "aa", &[0..2, 2..4]),
            ("Überfluss, ÜBER", "über", &[0..5, 12..17]),
            ("none", "x", &[]),
            ("any", "", &[]),
            ("", "x", &[]),
        ] {
            let letters: Vec<char> = wanted.chars().collect();
            assert_eq!(occurrences(text, &letters), places, "{text}: {wanted}");
        }
    }

    #[test]
    fn marks_split_what_looks_different_and_lose_nothing() {
        let mut job = LayoutJob::default();
        job.append("one tw", 0.0, TextFormat::default());
        job.append("o three", 0.0, TextFormat { italics: true, ..TextFormat::default() });
        mark(&mut job, &[4..7, 8..9], Some(1), &Palette::of(true));
        let found: Vec<(&str, Color32, bool)> = job
            .sections
            .iter()
            .map(|section| {
                let range = section.byte_range.start.0..section.byte_range.end.0;
                (&job.text[range], section.format.background, section.format.italics)
            })
            .collect();
        let (none, found_color) = (Color32::TRANSPARENT, Palette::of(true).found);
        assert_eq!(
            found,
            [
                ("one ", none, false),
                ("tw", found_color, false),
                ("o", found_color, true),
                (" ", none, true),
                ("t", CURRENT, true),
                ("hree", none, true)
            ]
        );
    }
}
