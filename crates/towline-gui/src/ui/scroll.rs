//! The scroll position of a transcript: it follows new text until the user scrolls up, and again from the end
//! on.

use egui::{Context, Key, Modifiers};

/// How near to the end counts as the end when the user scrolls down, in points.
const NEAR: f32 = 24.0;
/// How far a key for rows scrolls, in points.
const STEP: f32 = 60.0;

/// Where a transcript stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scroll {
    /// How far down, in points.
    offset: f32,
    /// How far down it can go.
    end: f32,
    /// Whether it follows new text.
    follows: bool,
    /// The requested position in the next frame.
    wanted: Option<f32>,
}

impl Default for Scroll {
    fn default() -> Self {
        Self { offset: 0.0, end: 0.0, follows: true, wanted: None }
    }
}

/// How far a key scrolls: in points, and in visible pages.
type Move = (f32, f32);

impl Scroll {
    /// Scrolls to the newest text and follows it.
    pub fn to_end(&mut self) {
        (self.follows, self.wanted) = (true, None);
    }

    /// Stops following new text.
    pub(super) fn stop_following(&mut self) {
        (self.follows, self.wanted) = (false, None);
    }

    /// Whether the newest text is visible, or will be.
    pub fn follows(&self) -> bool {
        self.follows
    }

    /// Scrolls by a key, with `page` visible points.
    pub fn scroll_by(&mut self, (points, pages): Move, page: f32) {
        let to = self.offset + points + pages * (page - STEP).max(STEP);
        if to >= self.end {
            return self.to_end();
        }
        self.wanted = Some(to.max(0.0));
    }

    /// The position for this frame, if it changes.
    pub(super) fn offset(&mut self) -> Option<f32> {
        self.wanted.take().or_else(|| self.follows.then_some(self.end))
    }

    /// Records the actual position and the end. Returns whether there is more to show.
    pub(super) fn record_position(&mut self, offset: f32, end: f32) -> bool {
        let end = end.max(0.0);
        // Text that arrived in this frame could not be scrolled to yet.
        let reachable = end.min(self.end);
        if offset < self.offset - 0.5 {
            self.follows &= offset >= reachable - 1.0;
        } else if offset > self.offset + 0.5 {
            self.follows |= offset >= reachable - NEAR;
        }
        self.follows |= end == 0.0;
        let is_new = (end - self.end).abs() > 0.5;
        (self.offset, self.end) = (offset, end);
        is_new || (self.follows && (end - offset).abs() > 0.5)
    }
}

/// The scroll key of this frame. Keys that also move a text cursor scroll only if no text field has the
/// focus.
pub fn key(context: &Context, is_typing: bool) -> Option<Move> {
    let always = [(Key::PageUp, (0.0, -1.0)), (Key::PageDown, (0.0, 1.0))];
    let others = [
        (Key::ArrowUp, (-STEP, 0.0)),
        (Key::ArrowDown, (STEP, 0.0)),
        (Key::Home, (f32::NEG_INFINITY, 0.0)),
        (Key::End, (f32::INFINITY, 0.0)),
    ];
    let is_free = context.memory(|memory| memory.focused().is_none());
    let space = is_free.then_some((Key::Space, (0.0, 1.0)));
    let others = others.into_iter().filter(|_| !is_typing).chain(space);
    context.input_mut(|input| {
        always
            .into_iter()
            .chain(others)
            .find_map(|(key, to)| input.consume_key(Modifiers::NONE, key).then_some(to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_until_somebody_scrolls_up_and_again_from_the_end_on() {
        let mut scroll = Scroll::default();
        assert!(scroll.record_position(0.0, 500.0), "there is more than was shown");
        assert_eq!(scroll.offset(), Some(500.0));
        assert!(!scroll.record_position(500.0, 500.0));
        // It follows new text.
        assert!(scroll.record_position(500.0, 518.0) && scroll.follows());
        scroll.record_position(518.0, 518.0);
        // Scrolling up a little is enough, even while text arrives.
        scroll.record_position(515.0, 540.0);
        assert!(!scroll.follows() && scroll.offset().is_none());
        // Back at the end as the user saw it, although more arrived meanwhile.
        scroll.record_position(540.0, 580.0);
        assert!(scroll.follows());
        // It stays at the end of an answer that gets shorter.
        scroll.record_position(580.0, 580.0);
        scroll.record_position(200.0, 200.0);
        assert!(scroll.follows());
    }

    #[test]
    fn keys_stay_inside() {
        let mut scroll = Scroll::default();
        scroll.record_position(0.0, 500.0);
        scroll.record_position(500.0, 500.0);
        scroll.scroll_by((0.0, 1.0), 300.0);
        assert!(scroll.follows() && scroll.offset() == Some(500.0));
        scroll.scroll_by((0.0, -1.0), 300.0);
        assert_eq!(scroll.offset(), Some(260.0));
        scroll.record_position(260.0, 500.0);
        scroll.scroll_by((f32::NEG_INFINITY, 0.0), 300.0);
        assert_eq!(scroll.offset(), Some(0.0));
        scroll.scroll_by((f32::INFINITY, 0.0), 300.0);
        assert!(scroll.follows());
    }
}
