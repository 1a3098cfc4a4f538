//! Makes untrusted text safe to show, by one rule everywhere.
//!
//! A terminal would execute control characters, and a character that overrides the writing direction makes a
//! line look like another one (<https://trojansource.codes>). Newline and tab stay. A carriage return before
//! a newline is dropped. Other C0 characters are shown in the form `^[`, and all other hidden characters in
//! the form `<U+202E>`.

use std::borrow::Cow;

/// Makes text safe that arrives in pieces.
#[derive(Debug, Default)]
pub struct Visible {
    /// The last piece ended in a carriage return that may belong to a line end.
    pending_return: bool,
}

impl Visible {
    /// The visible form of the next piece.
    pub fn piece<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if !self.pending_return && !text.contains(is_hidden) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            if self.pending_return && c != '\n' {
                shown.push_str("^M");
            }
            self.pending_return = c == '\r';
            if c != '\r' {
                show(c, &mut shown);
            }
        }
        Cow::Owned(shown)
    }

    /// The remaining text at the end.
    pub fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.pending_return) { "^M" } else { "" }
    }
}

/// The visible form of a whole text.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut visible = Visible::default();
    let shown = visible.piece(text);
    match visible.finish() {
        "" => shown,
        rest => Cow::Owned(shown.into_owned() + rest),
    }
}

/// The visible form of a text that must stay on one line.
pub fn line(line: &str) -> Cow<'_, str> {
    if line.contains(['\n', '\t']) {
        Cow::Owned(text(&line.replace(['\n', '\t'], " ")).into_owned())
    } else {
        text(line)
    }
}

/// The visible form for an editor's row or a cell of the screen: a tab becomes four spaces, a newline `^J`.
pub fn row(row: &str) -> Cow<'_, str> {
    if !row.contains(|c| is_hidden(c) || matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(row);
    }
    let mut shown = String::with_capacity(row.len() + 16);
    for c in row.chars() {
        match c {
            '\t' => shown.push_str("    "),
            '\n' => shown.push_str("^J"),
            c => show(c, &mut shown),
        }
    }
    Cow::Owned(shown)
}

fn show(c: char, shown: &mut String) {
    match c {
        c if !is_hidden(c) => shown.push(c),
        '\0'..='\u{1f}' => {
            shown.push('^');
            shown.push(char::from(c as u8 ^ 0x40));
        }
        '\u{7f}' => shown.push_str("^?"),
        c => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
    }
}

/// Control characters, line separators, marks and overrides of the writing direction, and invisible marks.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        for (given, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[2J", "^[[2J"),
            ("\u{7}\u{8}\u{7f}\0", "^G^H^?^@"),
            ("\u{9b}31m", "<U+009B>31m"),
            ("a\u{202e}b\u{202a}\u{2066}\u{2069}\u{200f}", "a<U+202E>b<U+202A><U+2066><U+2069><U+200F>"),
            ("\u{feff}a\u{2028}", "<U+FEFF>a<U+2028>"),
            ("a\r\nb\rc\r", "a\nb^Mc^M"),
            ("\r\r\n", "^M\n"),
            ("مرحبا 👩‍👩‍👧 e\u{301}", "مرحبا 👩‍👩‍👧 e\u{301}"),
        ] {
            assert_eq!(text(given), shown, "{given:?}");
        }
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let whole = "a\r\nb\rc\u{1b}]0;x\u{7}\r";
        let chars: Vec<char> = whole.chars().collect();
        for cut in 0..=chars.len() {
            let (left, right) = chars.split_at(cut);
            let mut visible = Visible::default();
            let mut shown = visible.piece(&left.iter().collect::<String>()).into_owned();
            shown.push_str(&visible.piece(&right.iter().collect::<String>()));
            shown.push_str(visible.finish());
            assert_eq!(shown, text(whole), "{cut}");
        }
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("a\nb\tc\u{1b}"), "a b c^[");
        assert_eq!(row("a\nb\tc\u{1b}\r"), "a^Jb    c^[^M");
    }
}
