//! Flow control for the terminal.
//!
//! The kernel accepts about 22 kB from a program before a terminal blocks it, and that queue is invisible: on
//! a slow connection it delays the echo of every key by most of a second. So each frame ends with a status
//! request, text is sent only when the terminal has answered, and the size of a frame follows the time that
//! an answer takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A terminal that does not answer for this long is assumed to have processed everything.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Minimum interval between two frames of text.
const TEXT_INTERVAL: Duration = Duration::from_millis(12);
/// An answer that takes longer than this halves the next frame.
const SLOW: Duration = Duration::from_millis(16);
const LEAST_BYTES: usize = 64;
const FIRST_BYTES: usize = 2 << 10;
const MOST_BYTES: usize = 32 << 10;
/// Maximum number of unanswered frames that contain only typed text.
const ECHOES: usize = 3;
/// After this many missing answers in a row, the terminal is asked less often.
const MISSING: u32 = 3;
/// The size of a frame for a terminal that never answers.
const UNANSWERED_BYTES: usize = 512;

/// The frames in flight.
#[derive(Debug)]
pub struct Flow {
    sent: VecDeque<Instant>,
    next_text: Option<Instant>,
    budget_bytes: usize,
    missing: u32,
    /// Whether the last answer came quickly enough to be still accurate.
    is_quick: bool,
    /// Whether the terminal was asked before the next frame of text.
    is_asked: bool,
}

impl Flow {
    pub fn new() -> Self {
        Self {
            sent: VecDeque::new(),
            next_text: None,
            budget_bytes: FIRST_BYTES,
            missing: 0,
            is_quick: false,
            is_asked: false,
        }
    }

    /// Maximum number of bytes of text in the next frame.
    pub fn budget_bytes(&self) -> usize {
        if self.missing >= MISSING { UNANSWERED_BYTES } else { self.budget_bytes }
    }

    /// Whether a frame with text may be sent.
    pub fn takes_text(&self, now: Instant) -> bool {
        self.sent.is_empty() && self.next_text.is_none_or(|next| next <= now)
    }

    /// Whether a frame with typed text may be sent.
    pub fn takes_echo(&self) -> bool {
        self.sent.len() < ECHOES
    }

    /// Whether to ask the terminal for its width before the next frame of text, so that the frame is laid out
    /// for the width that the window has when the frame arrives. The answer of a slow terminal is outdated by
    /// then, so it is asked only in case of doubt.
    pub fn asks_ahead(&mut self, is_doubtful: bool) -> bool {
        let asks = !self.is_asked && self.missing == 0 && (self.is_quick || is_doubtful);
        self.is_asked |= asks;
        asks
    }

    /// Whether an answer of the terminal is pending.
    pub fn is_awaiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// When this state may change without an event.
    pub fn next_change(&self) -> Option<Instant> {
        match self.sent.front() {
            Some(sent) => Some(*sent + ANSWER_TIMEOUT),
            None => self.next_text,
        }
    }

    /// Notes that a frame is sent. Returns whether to ask for an answer.
    pub fn send(&mut self, now: Instant, with_text: bool) -> bool {
        if with_text {
            self.next_text = Some(now + TEXT_INTERVAL);
            self.is_asked = false;
        }
        // A terminal that does not answer is asked again from time to time, in case it was only stopped.
        let asks = self.missing < MISSING || (with_text && self.missing.is_multiple_of(64));
        if asks {
            self.sent.push_back(now);
        } else if with_text {
            self.missing += 1;
        }
        asks
    }

    /// Notes an answer of the terminal.
    pub fn acknowledge(&mut self, now: Instant) {
        let Some(sent) = self.sent.pop_front() else { return };
        self.missing = 0;
        let took = now.saturating_duration_since(sent);
        self.is_quick = took < SLOW / 2;
        if took > SLOW {
            self.budget_bytes = (self.budget_bytes / 2).max(LEAST_BYTES);
        } else if took < SLOW / 2 {
            self.budget_bytes = (self.budget_bytes + self.budget_bytes / 4).min(MOST_BYTES);
        }
    }

    /// Called when time has passed.
    pub fn expire(&mut self, now: Instant) {
        if self.sent.front().is_some_and(|sent| *sent + ANSWER_TIMEOUT <= now) {
            self.sent.clear();
            self.missing = self.missing.saturating_add(1);
            self.budget_bytes = (self.budget_bytes / 2).max(LEAST_BYTES);
        }
    }

    /// Stops waiting for answers that have not arrived.
    pub fn forget(&mut self) {
        self.sent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_of_text_is_on_its_way() {
        let now = Instant::now();
        let mut flow = Flow::new();
        assert!(flow.takes_text(now));
        assert!(flow.send(now, true));
        assert!(!flow.takes_text(now) && flow.takes_echo());
        flow.acknowledge(now + Duration::from_millis(1));
        assert!(!flow.takes_text(now), "frames have a distance");
        assert!(flow.takes_text(now + TEXT_INTERVAL));
    }

    #[test]
    fn a_quick_terminal_is_asked_before_each_frame() {
        let mut now = Instant::now();
        let mut flow = Flow::new();
        for milliseconds in [1, 40] {
            assert!(!flow.asks_ahead(false), "nothing is known of it, or it is slow");
            flow.send(now, true);
            now += Duration::from_millis(1);
            flow.acknowledge(now);
            assert!(flow.asks_ahead(false) && flow.send(now, false));
            now += Duration::from_millis(milliseconds);
            flow.acknowledge(now);
            assert!(!flow.asks_ahead(true), "once");
            flow.send(now, true);
            now += Duration::from_millis(40);
            flow.acknowledge(now);
        }
        assert!(flow.asks_ahead(true), "where there is doubt, a slow one too");
    }

    #[test]
    fn slow_answers_make_frames_small() {
        let mut now = Instant::now();
        let mut flow = Flow::new();
        for _ in 0..10 {
            flow.send(now, true);
            now += Duration::from_millis(40);
            flow.acknowledge(now);
        }
        assert_eq!(flow.budget_bytes(), LEAST_BYTES);
        for _ in 0..40 {
            flow.send(now, true);
            now += Duration::from_millis(1);
            flow.acknowledge(now);
        }
        assert_eq!(flow.budget_bytes(), MOST_BYTES);
    }

    #[test]
    fn a_terminal_that_never_answers_is_drawn_to_all_the_same() {
        let mut now = Instant::now();
        let mut flow = Flow::new();
        for _ in 0..MISSING {
            assert!(flow.takes_text(now) && flow.send(now, true));
            now += ANSWER_TIMEOUT;
            flow.expire(now);
        }
        assert!(!flow.send(now, true));
        now += TEXT_INTERVAL;
        assert!(flow.takes_text(now));
    }
}
