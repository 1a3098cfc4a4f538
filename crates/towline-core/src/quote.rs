//! Quotes untrusted bytes in a message.

/// The longest quote of a server's text in a message, in characters.
const QUOTE_CHARS: usize = 300;

/// A short, printable, single-line form of untrusted bytes.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(QUOTE_CHARS * 4)];
    let text = String::from_utf8_lossy(head);
    let mut quoted = String::new();
    for (count, c) in
        text.split_whitespace().flat_map(|word| std::iter::once(' ').chain(word.chars())).skip(1).enumerate()
    {
        if count == QUOTE_CHARS {
            quoted.push('…');
            break;
        }
        quoted.push(if c.is_control() { '\u{fffd}' } else { c });
    }
    quoted
}
