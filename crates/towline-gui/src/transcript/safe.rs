//! Text without what would change how its surroundings are read.

use std::borrow::Cow;

/// What stands for a character that is not drawn as itself.
const STAND_IN: char = '◻';

/// The text with every control character and every bidirectional control replaced by `◻`: these could hide text, or
/// make a line read as what it is not. Line feeds and tabs stay, carriage returns go.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().filter(|c| *c != '\r').map(|c| if is_unsafe(c) { STAND_IN } else { c });
    Cow::Owned(shown.collect())
}

fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown_and_letters_stay() {
        assert_eq!(safe("a\u{202e}b\u{1b}[31m\r\n\tö"), "a◻b◻[31m\n\tö");
        assert!(matches!(safe("plain\n"), Cow::Borrowed(_)));
    }
}
