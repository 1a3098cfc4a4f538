//! The text being edited: insertion, movement by grapheme and word, kill and yank, undo.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// Number of states kept for undo.
const UNDO_DEPTH: usize = 200;
/// Maximum size of a text kept for undo: a pasted megabyte would be stored 200 times.
const UNDO_BYTES: usize = 64 << 10;

/// The kind of the last change, so that letters typed one after the other are undone together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Change {
    #[default]
    Other,
    Typed,
    KilledForward,
    KilledBackward,
}

/// Text with a cursor.
#[derive(Debug, Default)]
pub struct Buffer {
    text: String,
    cursor: usize,
    killed: String,
    undo: Vec<(String, usize)>,
    last: Change,
}

impl Buffer {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cursor as a byte position.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces the text; the cursor goes to its end.
    pub fn set(&mut self, text: &str) {
        self.remember(Change::Other);
        text.clone_into(&mut self.text);
        self.cursor = self.text.len();
    }

    /// Takes the text and clears the undo states.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        self.undo.clear();
        self.last = Change::Other;
        std::mem::take(&mut self.text)
    }

    pub fn insert_char(&mut self, c: char) {
        self.remember(if c == ' ' || c == '\n' { Change::Other } else { Change::Typed });
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
    }

    pub fn insert(&mut self, text: &str) {
        self.remember(Change::Other);
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Replaces the text between `start` and the cursor.
    pub fn replace_before(&mut self, start: usize, text: &str) {
        self.remember(Change::Other);
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    pub fn left(&mut self) {
        self.move_to(self.previous());
    }

    pub fn right(&mut self) {
        self.move_to(self.next());
    }

    pub fn word_left(&mut self) {
        self.move_to(self.previous_word());
    }

    pub fn word_right(&mut self) {
        self.move_to(self.next_word());
    }

    /// Moves to the beginning of the line of text that contains the cursor.
    pub fn line_start(&mut self) {
        self.move_to(self.start_of_line());
    }

    pub fn line_end(&mut self) {
        self.move_to(self.end_of_line());
    }

    /// Moves one line of text up, keeping the column; `false` on the first line.
    pub fn up(&mut self) -> bool {
        let start = self.start_of_line();
        let Some(above_end) = start.checked_sub(1) else { return false };
        let above = self.text[..above_end].rfind('\n').map_or(0, |at| at + 1);
        self.move_to_column(above, above_end, start);
        true
    }

    /// Moves one line of text down, keeping the column; `false` on the last line.
    pub fn down(&mut self) -> bool {
        let end = self.end_of_line();
        if end == self.text.len() {
            return false;
        }
        let below_end = self.text[end + 1..].find('\n').map_or(self.text.len(), |at| end + 1 + at);
        self.move_to_column(end + 1, below_end, self.start_of_line());
        true
    }

    pub fn backspace(&mut self) {
        self.delete(self.previous(), self.cursor);
    }

    pub fn delete_forward(&mut self) {
        self.delete(self.cursor, self.next());
    }

    /// Kills to the end of the line of text, or the newline itself.
    pub fn kill_to_end(&mut self) {
        let end = self.end_of_line();
        self.kill(self.cursor, if end == self.cursor { self.next() } else { end });
    }

    /// Kills to the beginning of the line of text, or the newline before it.
    pub fn kill_to_start(&mut self) {
        let start = self.start_of_line();
        self.kill(if start == self.cursor { self.previous() } else { start }, self.cursor);
    }

    /// Kills back to a blank.
    pub fn kill_blank_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
        self.kill(start.map_or(0, |(at, c)| at + c.len_utf8()), self.cursor);
    }

    pub fn kill_word_left(&mut self) {
        self.kill(self.previous_word(), self.cursor);
    }

    pub fn kill_word_right(&mut self) {
        self.kill(self.cursor, self.next_word());
    }

    /// Inserts the text that was killed last.
    pub fn yank(&mut self) {
        let killed = std::mem::take(&mut self.killed);
        self.insert(&killed);
        self.killed = killed;
    }

    /// Swaps the two graphemes around the cursor.
    pub fn transpose(&mut self) {
        if self.cursor == self.text.len() {
            self.left();
        }
        let (before, after) = (self.previous(), self.next());
        if before < self.cursor && self.cursor < after {
            self.remember(Change::Other);
            let swapped = format!("{}{}", &self.text[self.cursor..after], &self.text[before..self.cursor]);
            self.text.replace_range(before..after, &swapped);
            self.cursor = after;
        }
    }

    pub fn undo(&mut self) {
        if let Some((text, cursor)) = self.undo.pop() {
            self.text = text;
            self.cursor = cursor;
        }
        self.last = Change::Other;
    }

    fn remember(&mut self, change: Change) {
        let is_same_edit = change == Change::Typed && self.last == Change::Typed;
        self.last = change;
        if is_same_edit || self.text.len() > UNDO_BYTES {
            return;
        }
        if self.undo.len() == UNDO_DEPTH {
            self.undo.remove(0);
        }
        self.undo.push((self.text.clone(), self.cursor));
    }

    fn move_to(&mut self, cursor: usize) {
        self.cursor = cursor;
        self.last = Change::Other;
    }

    fn move_to_column(&mut self, start: usize, end: usize, from: usize) {
        let column = self.text[from..self.cursor].graphemes(true).count();
        let at = self.text[start..end].grapheme_indices(true).nth(column).map_or(end, |(at, _)| start + at);
        self.move_to(at);
    }

    fn delete(&mut self, start: usize, end: usize) {
        if start < end {
            self.remember(Change::Other);
            self.text.drain(start..end);
            self.cursor = start;
        }
    }

    fn kill(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        let change = if start < self.cursor { Change::KilledBackward } else { Change::KilledForward };
        let is_same_edit = matches!(self.last, Change::KilledBackward | Change::KilledForward);
        self.remember(change);
        let text: String = self.text.drain(start..end).collect();
        self.cursor = start;
        if !is_same_edit {
            self.killed = text;
        } else if change == Change::KilledBackward {
            self.killed.insert_str(0, &text);
        } else {
            self.killed.push_str(&text);
        }
    }

    fn start_of_line(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn end_of_line(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    fn previous(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn next(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    fn previous_word(&self) -> usize {
        self.text[..self.cursor].unicode_word_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn next_word(&self) -> usize {
        let mut words = self.text[self.cursor..].unicode_word_indices();
        words.next().map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` marks the cursor.
    fn check(given: &str, edit: impl FnOnce(&mut Buffer), expected: &str) {
        let mut buffer = Buffer::default();
        buffer.set(&given.replace('|', ""));
        buffer.cursor = given.find('|').unwrap();
        edit(&mut buffer);
        let mut shown = buffer.text.clone();
        shown.insert(buffer.cursor, '|');
        assert_eq!(shown, expected, "from {given}");
    }

    #[test]
    fn editing_goes_by_grapheme() {
        check("a👩‍👩‍👧|b", Buffer::backspace, "a|b");
        check("a|👩‍👩‍👧b", Buffer::delete_forward, "a|b");
        check("你好|", Buffer::left, "你|好");
        check("e\u{301}|x", Buffer::left, "|e\u{301}x");
    }

    #[test]
    fn words() {
        check("one two-three|", Buffer::kill_word_left, "one two-|");
        check("one two-three|", Buffer::kill_blank_word, "one |");
        check("|one two", Buffer::word_right, "one| two");
        check("one| two", Buffer::kill_word_right, "one|");
    }

    #[test]
    fn lines() {
        check("ab\ncd|e\nf", |buffer| assert!(buffer.up()), "ab|\ncde\nf");
        check("ab\ncd|e\nf", |buffer| assert!(buffer.down()), "ab\ncde\nf|");
        check("ab\nc|d", Buffer::kill_to_start, "ab\n|d");
        check("a|b\ncd", Buffer::kill_to_end, "a|\ncd");
        check("a|\ncd", Buffer::kill_to_end, "a|cd");
        check("ab|", |buffer| assert!(!buffer.up() && !buffer.down()), "ab|");
    }

    #[test]
    fn killed_text_comes_back() {
        check(
            "one two three|",
            |buffer| {
                buffer.kill_blank_word();
                buffer.kill_blank_word();
                buffer.line_start();
                buffer.yank();
            },
            "two three|one ",
        );
    }

    #[test]
    fn letters_are_undone_together() {
        check(
            "x|",
            |buffer| {
                for c in "abc def".chars() {
                    buffer.insert_char(c);
                }
                buffer.undo();
            },
            "xabc |",
        );
        check("ab|", Buffer::transpose, "ba|");
    }
}
