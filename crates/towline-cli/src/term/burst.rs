//! Detects pastes that the terminal does not mark: keys that arrive faster than anybody types.
//!
//! A line end in the middle of such keys is a line end of the text and submits nothing. A line end after them
//! is held briefly, because a slow connection delivers a paste in pieces.

use std::time::{Duration, Instant};

use super::keys::Key;

/// Keys that follow each other within this time were not typed by hand.
const FAST: Duration = Duration::from_millis(8);
/// Minimum number of characters that must arrive that fast: a short command may come from a program.
const FAST_KEYS: usize = 4;
/// How long a line end waits for more.
const HELD: Duration = Duration::from_millis(25);

/// Distinguishes pasted line ends from Enter.
#[derive(Debug, Default)]
pub struct Burst {
    last: Option<Instant>,
    /// Number of characters that arrived fast, up to the last one.
    fast: usize,
    /// A line end that is held until this time.
    held: Option<Instant>,
    /// Whether there was a line end among them.
    several: bool,
}

impl Burst {
    /// Takes a key that arrived at this time; returns the keys to press.
    pub fn take(&mut self, key: Key, now: Instant, keys: &mut Vec<Key>) {
        match key {
            Key::Acknowledged | Key::Background(_) | Key::Position { .. } => keys.push(key),
            Key::Char(_) | Key::Tab => {
                self.several &= self.is_fast(now) || self.held.is_some();
                if self.held.take().is_some() {
                    keys.push(Key::AltEnter);
                    self.several = true;
                }
                self.count(now);
                // In the second line of a paste, Tab completes nothing.
                let is_pasted = key == Key::Tab && self.several;
                keys.push(if is_pasted { Key::Paste("\t".to_owned()) } else { key });
            }
            Key::Enter if self.held.is_some() => {
                keys.push(Key::AltEnter);
                self.held = Some(now + HELD);
            }
            Key::Enter if self.is_fast(now) && self.fast >= FAST_KEYS => self.held = Some(now + HELD),
            Key::Ctrl(_)
            | Key::Alt(_)
            | Key::Enter
            | Key::AltEnter
            | Key::BackTab
            | Key::Backspace
            | Key::AltBackspace
            | Key::Delete
            | Key::AltDelete
            | Key::Escape
            | Key::Up
            | Key::Down
            | Key::Left
            | Key::Right
            | Key::WordLeft
            | Key::WordRight
            | Key::Home
            | Key::End
            | Key::Paste(_)
            | Key::Unknown => {
                keys.extend(self.held.take().map(|_| Key::Enter));
                self.fast = 0;
                keys.push(key);
            }
        }
    }

    fn is_fast(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) <= FAST)
    }

    fn count(&mut self, now: Instant) {
        self.fast = if self.is_fast(now) { self.fast + 1 } else { 1 };
        self.last = Some(now);
    }

    /// When a held line end becomes Enter.
    pub fn deadline(&self) -> Option<Instant> {
        self.held
    }

    /// Called when time has passed: nothing followed, so it was Enter.
    pub fn expire(&mut self, now: Instant) -> Option<Key> {
        self.held.take_if(|until| *until <= now).map(|_| Key::Enter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(pieces: &[(u64, &str)]) -> String {
        let begin = Instant::now();
        let (mut burst, mut keys) = (Burst::default(), vec![]);
        for (milliseconds, text) in pieces {
            let now = begin + Duration::from_millis(*milliseconds);
            keys.extend(burst.expire(now));
            for c in text.chars() {
                let key = match c {
                    '\r' => Key::Enter,
                    '\t' => Key::Tab,
                    c => Key::Char(c),
                };
                burst.take(key, now, &mut keys);
            }
        }
        keys.extend(burst.expire(begin + Duration::from_secs(60)));
        let shown = [(Key::Enter, "⏎"), (Key::AltEnter, "/"), (Key::Paste("\t".into()), "\t")];
        let one = |key: Key| match shown.iter().find(|(known, _)| *known == key) {
            Some((_, shown)) => (*shown).to_owned(),
            None if let Key::Char(c) = key => c.to_string(),
            None => format!("{key:?}"),
        };
        keys.into_iter().map(one).collect()
    }

    #[test]
    fn line_ends_of_a_paste_send_nothing_and_the_last_does() {
        assert_eq!(pressed(&[(0, "first line\rsecond\r\rlast\r")]), "first line/second//last⏎");
        assert_eq!(pressed(&[(0, "first line\r"), (10, "second")]), "first line/second", "in pieces");
        assert_eq!(pressed(&[(0, "def f():\r\treturn 1\r")]), "def f():/\treturn 1⏎");
    }

    #[test]
    fn what_is_typed_is_sent_at_once() {
        assert_eq!(pressed(&[(0, "f"), (40, "g"), (80, "\r"), (120, "x")]), "fg⏎x");
        assert_eq!(pressed(&[(0, "jobs\r"), (100, "fg\r")]), "jobs⏎fg⏎");
        assert_eq!(pressed(&[(0, "fg\r")]), "fg⏎");
    }
}
