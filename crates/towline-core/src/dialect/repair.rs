//! Makes a record's text valid without losing any other part of it.

/// Replaces invalid UTF-8, and escapes of lone UTF-16 surrogates, by U+FFFD. `None` when there was nothing to replace.
pub(crate) fn repair_text(frame: &[u8]) -> Option<(String, u64)> {
    let mut text = String::with_capacity(frame.len());
    let mut replaced = 0;
    for chunk in frame.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push('\u{fffd}');
            replaced += 1;
        }
    }
    replaced += replace_lone_surrogates(&mut text);
    (replaced > 0).then_some((text, replaced))
}

/// Replaces each `\uD800`–`\uDFFF` that is not half of a pair. Both spellings have six bytes.
fn replace_lone_surrogates(text: &mut String) -> u64 {
    let mut lone = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match surrogate(bytes, at) {
            Some(Half::High) if surrogate(bytes, at + 6) == Some(Half::Low) => at += 12,
            Some(Half::High | Half::Low) => {
                lone.push(at);
                at += 6;
            }
            None => at += 2,
        }
    }
    for &at in &lone {
        text.replace_range(at..at + 6, "\\ufffd");
    }
    lone.len() as u64
}

#[derive(PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// The half of a surrogate pair that the escape at `at` encodes.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', third, rest @ ..] = bytes.get(at..at + 6)? else { return None };
    match third {
        _ if !rest.iter().all(u8::is_ascii_hexdigit) => None,
        b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
        _ => None,
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], wanted: Option<(&str, u64)>) {
        assert_eq!(repair_text(bytes), wanted.map(|(text, count)| (text.to_owned(), count)));
    }

    #[test]
    fn what_is_good_stays_as_it_is() {
        for text in ["", "plain", "é👩", r"\\ud83d", r"\ud83d\ude00", r"\uD83D\uDE00", r"\ud7ff", r"\ue000"]
        {
            check(text.as_bytes(), None);
        }
    }

    #[test]
    fn invalid_utf8_is_replaced_once_for_each_sequence() {
        check(b"a\xffb", Some(("a\u{fffd}b", 1)));
        check(b"\xe2\x82x\xf0\x9f\x98", Some(("\u{fffd}x\u{fffd}", 2)));
        check(b"\xc0\xaf\xed\xa0\x80", Some(("\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}", 5)));
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_are_kept() {
        check(br"\ud83d", Some((r"\ufffd", 1)));
        check(br"\uDE00\uD83D", Some((r"\ufffd\ufffd", 2)));
        check(br"\ud83d\ud83d\ude00\ude00", Some((r"\ufffd\ud83d\ude00\ufffd", 2)));
        check(br"\ud83d\u0041", Some((r"\ufffd\u0041", 1)));
        check(br"\\\ud83d", Some((r"\\\ufffd", 1)));
    }

    #[test]
    fn what_only_begins_like_a_surrogate_is_left_to_the_parser() {
        for text in [r"\ud8", r"\ud8\ud8", r"\ud83", r"\ud8é", r"\ud83é", r"\ud8xy", r"\", r"\u"] {
            check(text.as_bytes(), None);
        }
        check(r"\ud8é\ud83d".as_bytes(), Some((r"\ud8é\ufffd", 1)));
    }
}
