//! Streams of JSON values: each value is stored on a separate line, and reads return an array.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::super::answer::Refusal;

/// The lines of a body: its values, with one level of array flattened. `may_be_empty` allows `[]`.
pub(super) fn messages(body: &[u8], may_be_empty: bool) -> Result<Bytes, Refusal> {
    let wrong = |error: serde_json::Error| Refusal::bad(format!("the body is not JSON: {error}"));
    let mut lines = Vec::with_capacity(body.len() + 1);
    if body.trim_ascii_start().starts_with(b"[") {
        let values: Vec<&RawValue> = serde_json::from_slice(body).map_err(wrong)?;
        if values.is_empty() && !may_be_empty {
            return Err(Refusal::bad("the body is an empty array: there is nothing to append"));
        }
        for value in values {
            push_line(&mut lines, value.get());
        }
    } else {
        let value: &RawValue = serde_json::from_slice(body).map_err(wrong)?;
        push_line(&mut lines, value.get());
    }
    Ok(lines.into())
}

/// Appends a value without the white space between its tokens, so that it contains no line end.
fn push_line(lines: &mut Vec<u8>, value: &str) {
    let (mut in_text, mut escaped) = (false, false);
    for byte in value.bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_text = byte == b'"';
        }
        lines.push(byte);
    }
    lines.push(b'\n');
}

/// The array of the values in `lines`.
pub(super) fn array(lines: &[u8]) -> Vec<u8> {
    let values = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut array = Vec::with_capacity(values.len() + 2);
    array.push(b'[');
    array.extend(values.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }));
    array.push(b']');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(body: &str) -> String {
        String::from_utf8(array(&messages(body.as_bytes(), true).unwrap())).unwrap()
    }

    #[test]
    fn values_come_back_as_they_were() {
        for (body, expected) in [
            ("1", "[1]"),
            (" {\"a\" : [1,\n2]}\n", "[{\"a\":[1,2]}]"),
            ("[1, \"x y\\\" \\\\\", [2]]", "[1,\"x y\\\" \\\\\",[2]]"),
            ("[[1]]", "[[1]]"),
            ("[]", "[]"),
            ("12345678901234567890.10", "[12345678901234567890.10]"),
            ("4e33331", "[4e33331]"),
        ] {
            assert_eq!(through(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["", "[", "{", "[1,]", "nope", "1 2", "\"a\nb\""] {
            assert!(messages(body.as_bytes(), true).is_err(), "{body}");
        }
        assert!(messages(b"[]", false).is_err());
    }
}
