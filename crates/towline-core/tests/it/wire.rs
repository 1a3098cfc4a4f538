//! Frames, compared with simple readers of the two formats that read the whole body at once.

use proptest::prelude::*;
use towline_core::wire::{DEFAULT_LINE_LIMIT_BYTES, Framer, Framing, LineTooLong};
use towline_testkit::chunk;

use crate::support::cases;

/// The frames of a body in pieces, and whether one was too long.
fn frames<'a>(
    framing: Framing,
    limit: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<LineTooLong>) {
    let mut framer = Framer::new(framing, limit);
    let mut frames = Vec::new();
    let mut take = |framer: &mut Framer| {
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(String::from_utf8_lossy(frame).into_owned()),
                Ok(None) => return None,
                Err(error) => {
                    assert_eq!(framer.next_frame(), Err(error), "it stays an error");
                    return Some(error);
                }
            }
        }
    };
    for piece in pieces {
        framer.input().extend_from_slice(piece);
        if let Some(error) = take(&mut framer) {
            return (frames, Some(error));
        }
    }
    framer.finish();
    let error = take(&mut framer);
    assert!(error.is_some() || framer.next_frame() == Ok(None));
    (frames, error)
}

fn check(framing: Framing, body: &str, wanted: &[&str]) {
    for pieces in chunk::all(body.as_bytes(), 1, 20) {
        let (found, error) = frames(framing, DEFAULT_LINE_LIMIT_BYTES, pieces.iter().copied());
        assert_eq!(
            (&found[..], error),
            (&wanted.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()[..], None)
        );
    }
}

#[test]
fn ndjson() {
    let check = |body, wanted: &[&str]| check(Framing::Ndjson, body, wanted);
    check("", &[]);
    check("{1}\n{2}\n", &["{1}", "{2}"]);
    check("{1}\r\n{2}\r\n", &["{1}", "{2}"]);
    check("{1}\n{2}", &["{1}", "{2}"]);
    check("{1}\n{2}\r", &["{1}", "{2}"]);
    check("\n\n \t\r\n{1}\n\r\n  \n", &["{1}"]);
    check(" {1} \n", &[" {1} "]);
    check("\u{feff}{1}\n{2}\n", &["{1}", "{2}"]);
    check("\u{feff}", &[]);
    check("{1}\n\u{feff}{2}\n", &["{1}", "\u{feff}{2}"]);
    // Only a line feed ends a line: all of these are text.
    check("{\u{85}\u{2028}\u{2029}\u{b}\u{c}\r \u{1c}}\n", &["{\u{85}\u{2028}\u{2029}\u{b}\u{c}\r \u{1c}}"]);
}

#[test]
fn server_sent_events() {
    let check = |body, wanted: &[&str]| check(Framing::Sse, body, wanted);
    check("", &[]);
    check("data: 1\n\ndata: 2\n\n", &["1", "2"]);
    check("data: 1\r\n\r\ndata: 2\r\n\r\n", &["1", "2"]);
    check("data: 1\r\rdata: 2\r\r", &["1", "2"]);
    // Any mixture of line ends.
    check("data: 1\r\n\rdata: 2\n\r\ndata: 3\r\ndata: 4\r\r\ndata: 5\n\r", &["1", "2", "3\n4", "5"]);
    check("data: 1\n\r\n\n\r\rdata: 2\r\n\n", &["1", "2"]);
    // One space after the colon belongs to the format, further ones to the data.
    check("data:1\n\ndata:  2\n\ndata: 3 \n\ndata:\t4\n\n", &["1", " 2", "3 ", "\t4"]);
    // Several data lines are one event.
    check("data: {\ndata: }\n\n", &["{\n}"]);
    check("data: 1\ndata\ndata: 2\n\n", &["1\n\n2"]);
    check("data: 1\n: ping\nevent: x\ndata: 2\nid: 7\n\n", &["1\n2"]);
    // Comments, other fields, and names with a common prefix.
    check(": ping\n\n:\n\nevent: x\nid: 1\nretry: 5\n\n", &[]);
    check("datax: 1\n\n data: 2\n\nData: 3\n\ndat\n\ndata: 4\n\n", &["4"]);
    // An event without data is ignored; here, so is one with blank data.
    check("data\n\ndata:\n\ndata: \n\ndata:\ndata:\n\ndata:    \n\ndata: 1\n\n", &["1"]);
    // Unlike in the standard, it is accepted without its blank line at the end of the body.
    check("data: 1", &["1"]);
    check("data: 1\n", &["1"]);
    check("data: 1\r", &["1"]);
    check("data: 1\ndata: 2", &["1\n2"]);
    check("data: 1\n\n\n\n", &["1"]);
    check("\u{feff}data: 1\n\n", &["1"]);
    // An error by its event's name, before or after its data, or by its field; with a message of one or several lines.
    check("event: error\ndata: 1\n\nevent:error\n\n", &["error:\n1", "error:"]);
    check("data: 1\nevent: error \n\ndata: 2\n\n", &["error:1", "2"]);
    check("error: {1}\nerror: {2}\n\nerror\n\nerror:x", &["error:\n {1}\n {2}", "error:\nx"]);
    // A record without `data:`.
    check("{1}\n{2}\n\ndata: 3\n{4}\n\n{5}", &["{1}", "{2}", "3\n{4}", "{5}"]);
    check("data: 1\n\n\u{feff}data: 2\n\n", &["1"]);
    check("data: a\u{85}\u{2028}b\u{b}\n\n", &["a\u{85}\u{2028}b\u{b}"]);
}

#[test]
fn a_whole_body() {
    let check = |body, wanted: &[&str]| check(Framing::Whole, body, wanted);
    check("", &[]);
    check(" \r\n\t\n", &[]);
    check("{\n\n \"a\": 1\r\n}\n", &["{\n\n \"a\": 1\r\n}\n"]);
    check("\u{feff}{}", &["{}"]);
}

/// The lines of a body, read as in the standard.
fn plain_lines(body: &str) -> Vec<String> {
    body.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect()
}

fn plain_events(body: &str) -> Vec<String> {
    let mut events = Vec::new();
    let mut data: Vec<String> = Vec::new();
    let mut lines = plain_lines(body.strip_prefix('\u{feff}').unwrap_or(body));
    // The end of the body works like a blank line.
    lines.push(String::new());
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if line.is_empty() {
            let event = data.join("\n");
            data.clear();
            if !event.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
                events.push(event);
            }
        } else if name == "data" {
            data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        } else if line.starts_with('{') {
            // A record without a field name is an event of its own, or part of the one that has begun.
            if data.is_empty() { events.push(line) } else { data.push(line) }
        } else if line.starts_with("error:") || name == "event" && value.trim_ascii() == "error" {
            if data.first().is_none_or(|first| !first.starts_with("error:")) {
                data.insert(0, "error:".to_owned());
                if data.len() > 1 {
                    let first = data.remove(1);
                    data[0].push_str(&first);
                }
            }
            if name == "error" && !value.is_empty() {
                data.push(value.to_owned());
            }
        }
    }
    events
}

fn plain_ndjson(body: &str) -> Vec<String> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    body.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .filter(|line| !line.trim_matches([' ', '\t', '\r']).is_empty())
        .map(str::to_owned)
        .collect()
}

fn body() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "data",
        "data:",
        "data: ",
        ":",
        ": ",
        " ",
        "{",
        "}",
        "é",
        "\u{2028}",
        "\u{feff}",
        "event: x",
        "event: error",
        "error: ",
        "error",
        "id",
        "x",
        "[DONE]",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn any_body_in_any_pieces_has_the_frames_of_a_plain_reading(body in body(), seed: u64) {
        for (framing, wanted) in [
            (Framing::Ndjson, plain_ndjson(&body)),
            (Framing::Sse, plain_events(&body)),
        ] {
            let cuts = chunk::random_cuts(body.as_bytes(), seed, 4);
            for pieces in cuts.chain([chunk::byte_by_byte(body.as_bytes()), vec![body.as_bytes()]]) {
                let (found, error) = frames(framing, DEFAULT_LINE_LIMIT_BYTES, pieces);
                prop_assert_eq!(error, None);
                prop_assert_eq!(&found, &wanted, "{:?}", framing);
            }
        }
    }

    /// With a limit some bodies fail; they fail at the same position however they are split.
    #[test]
    fn the_limit_is_passed_at_the_same_frame_for_every_chunking(body in body(), limit in 0_usize..12, seed: u64) {
        for framing in [Framing::Ndjson, Framing::Sse, Framing::Whole] {
            let whole = frames(framing, limit, [body.as_bytes()]);
            let cuts = chunk::random_cuts(body.as_bytes(), seed, 4);
            for pieces in cuts.chain([chunk::byte_by_byte(body.as_bytes())]) {
                prop_assert_eq!(&frames(framing, limit, pieces), &whole, "{:?}", framing);
            }
        }
    }
}

#[test]
fn a_line_of_exactly_the_limit_passes_and_one_byte_more_names_the_limit() {
    for (framing, line) in
        [(Framing::Ndjson, "{12345678}"), (Framing::Sse, "data:{123}"), (Framing::Whole, "{12345678}")]
    {
        for ending in ["", "\n"] {
            if framing == Framing::Whole && !ending.is_empty() {
                continue;
            }
            let body = format!("{line}{ending}");
            assert_eq!(frames(framing, 10, [body.as_bytes()]).1, None, "{framing:?}");
            let error = frames(framing, 9, [body.as_bytes()]).1.expect("too long");
            assert_eq!(error, LineTooLong { limit: 9 });
            assert_eq!(error.to_string(), "a record is longer than the line limit of 9 bytes");
        }
    }
    // The lines of one event count together.
    assert_eq!(frames(Framing::Sse, 10, [&b"data:12345\ndata:1234\n\n"[..]]).1, None);
    let error = frames(Framing::Sse, 10, [&b"data:12345\ndata:12345\n\ndata:1\n\n"[..]]).1;
    assert_eq!(error, Some(LineTooLong { limit: 10 }));
}
