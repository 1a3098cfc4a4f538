//! Makes a record's text valid without losing any other part of it.

/// Replaces invalid UTF-8, and escapes of lone UTF-16 surrogates, by U+FFFD. `None` when there was nothing to replace.
pub(super) fn repair_text(frame: &[u8]) -> Option<(String, u64)> {
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

/// Which half of a surrogate pair the escape at `at` stands for.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    match bytes.get(at..at + 6)? {
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => Some(Half::High),
        [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..] => Some(Half::Low),
        _ => None,
    }
}
