//! The fast decoder and the general parser give the same results.

use std::collections::VecDeque;

use proptest::prelude::*;
use towline_core::dialect::Dialect;
use towline_core::dialect::testing::Reader;
use towline_core::wire::{DEFAULT_LINE_LIMIT_BYTES, Framer};
use towline_testkit::corpus;

use crate::support::{cases, dialect};

/// Decodes frames both ways and returns the first difference.
fn difference<'a>(dialect: Dialect, frames: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let (mut fast, mut general) = (Reader::new(dialect), Reader::new(dialect));
    for (nth, frame) in frames.into_iter().enumerate() {
        let (mut fast_events, mut general_events) = (VecDeque::new(), VecDeque::new());
        let fast_meaning = fast.decode(frame, &mut fast_events);
        let general_meaning = general.decode_by_parser(frame, &mut general_events);
        let found = (fast_events, fast_meaning, fast.knows());
        let wanted = (general_events, general_meaning, general.knows());
        if found != wanted {
            let frame = String::from_utf8_lossy(frame);
            return Some(format!("frame {nth}: {frame}\n  general {wanted:?}\n  fast    {found:?}"));
        }
    }
    None
}

fn frames(dialect: Dialect, body: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(dialect.framing(""), DEFAULT_LINE_LIMIT_BYTES);
    framer.input().extend_from_slice(body);
    framer.finish();
    let mut frames = Vec::new();
    while let Some(frame) = framer.next_frame().unwrap() {
        frames.push(frame.to_vec());
    }
    frames
}

#[test]
fn on_every_corpus_stream() {
    let mut count = 0;
    for case in corpus::load_all() {
        let frames = frames(dialect(&case), &case.stream);
        count += frames.len();
        // Each frame twice, so that each may be read by its own template.
        let twice = frames.iter().flat_map(|frame| [&frame[..], &frame[..]]);
        assert_eq!(difference(dialect(&case), twice), None, "{}", case.name);
        for other in [Dialect::Ollama, Dialect::OllamaProgress, Dialect::OpenAi] {
            assert_eq!(
                difference(other, frames.iter().map(Vec::as_slice)),
                None,
                "{} as {other:?}",
                case.name
            );
        }
    }
    assert!(count > 800, "{count} frames");
}

/// The placeholder for the text of each record of a shape.
const HOLE: char = '\u{1}';

/// Pairs of similar records, of which the template of the first must not read the second.
#[test]
fn where_a_likeness_deceives() {
    for (dialect, first, second) in [
        // The text is empty, and another field takes its place.
        (
            Dialect::Ollama,
            r#"{"message":{"thinking":"a","reasoning":"r"}}"#,
            r#"{"message":{"thinking":"","reasoning":"r"}}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":"a"},"text":"t"}]}"#,
            r#"{"choices":[{"delta":{"content":""},"text":"t"}]}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":"a","refusal":"t"}}]}"#,
            r#"{"choices":[{"delta":{"content":"","refusal":"t"}}]}"#,
        ),
        // The real text is elsewhere, and was equal by chance.
        (
            Dialect::Ollama,
            r#"{"message":{"thinking":"r"},"message":{"reasoning":"r"}}"#,
            r#"{"message":{"thinking":"x"},"message":{"reasoning":"r"}}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":"r"},"delta":{"refusal":"r"}}]}"#,
            r#"{"choices":[{"delta":{"content":"x"},"delta":{"refusal":"r"}}]}"#,
        ),
        // With a piece of a tool call, which is not an event yet.
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"delta":{"content":"b","tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#,
        ),
        // Invalid text outside the parts that are read.
        (
            Dialect::Ollama,
            r#"{"model":"\ud83d","message":{"content":"a"}}"#,
            r#"{"model":"\ud83d","message":{"content":"b"}}"#,
        ),
        (
            Dialect::Ollama,
            r#"{"model":"m","message":{"content":"a"}}"#,
            r#"{"model":"m","message":{"content":"\ud83d"}}"#,
        ),
        (Dialect::Ollama, "{\"message\":{\"content\":\"a\"}}", "{\"message\":{\"content\":\"a\u{1}b\"}}"),
        (Dialect::Ollama, r#"{"message":{"content":"a"}}"#, r#"{"message":{"content":"a\q"}}"#),
        (Dialect::Ollama, r#"{"message":{"content":"a"}}"#, r#"{"message":{"content":"a"},"done":true}"#),
        (Dialect::Ollama, r#"{"message":{"content":"a"}}"#, r#"{"message":{"content":"a"}}}"#),
        (
            Dialect::Ollama,
            r#"{"created_at":"2026","response":"a"}"#,
            r#"{"created_at":"2026","done":true,"x":"","response":"a"}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"created":12,"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"created":012,"choices":[{"delta":{"content":"a"}}]}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"created":12,"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"created":-,"choices":[{"delta":{"content":"a"}}]}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"created":12,"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"created":,"choices":[{"delta":{"content":"a"}}]}"#,
        ),
    ] {
        let frames = [first, first, second, first, second].map(str::as_bytes);
        assert_eq!(difference(dialect, frames), None);
    }
    let invalid: [&[u8]; 3] = [
        b"{\"model\":\"\xff\",\"message\":{\"content\":\"a\"}}",
        b"{\"model\":\"\xff\",\"message\":{\"content\":\"b\"}}",
        b"{\"model\":\"\xff\",\"message\":{\"content\":\"b\xff\"}}",
    ];
    assert_eq!(difference(Dialect::Ollama, invalid), None);
}

/// The contents of a JSON string: valid, unusual and invalid.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let strange: Vec<&[u8]> = vec![
        b"",
        b"",
        b"a",
        b"\\n",
        b"\\u0041",
        b"\\ud83d\\ude00",
        b"\\ud83d",
        b"\\ude00\\ud83d",
        b"\\ud83d\\ue000",
        b"\\uD83D\\uDE00",
        b"\\b\\f\\r\\t",
        b"\\u+041",
        b"\\\\",
        b"\\\"",
        b"\\/",
        b"\\u00",
        b"\\x",
        b"\\",
        b"\"",
        b"\x01",
        b"\t",
        b"\x7f",
        b"\xc3",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "é".as_bytes(),
        "\u{85}\u{2028}".as_bytes(),
        "👩\u{200d}🚀".as_bytes(),
        b"\",\"done\":true,\"x\":\"",
        b"{\"done\":true}",
        b"[DONE]",
        b"\\u0000",
        b"  ",
        b"null",
    ];
    let escaped = any::<String>().prop_map(|text| {
        let json = serde_json::to_string(&text).unwrap();
        json.as_bytes()[1..json.len() - 1].to_vec()
    });
    let joined =
        prop::collection::vec(prop::sample::select(strange.clone()), 0..4).prop_map(|parts| parts.concat());
    prop_oneof![prop::sample::select(strange).prop_map(<[u8]>::to_vec), escaped, joined]
}

fn field(
    keys: &'static [&'static str],
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\t"]);
    let key = prop_oneof![9 => prop::sample::select(keys), 1 => Just("x"), 1 => Just("cont\\u0065nt")];
    (key, space(), space(), value, space())
        .prop_map(|(key, before, after, value, end)| format!("\"{key}\"{before}:{after}{value}{end}"))
}

fn object(
    keys: &'static [&'static str],
    most: usize,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    let calls = vec![
        r#""tool_calls":[{"function":{"name":"f","arguments":{}}}]"#,
        r#""tool_calls":[{"index":0,"function":{"arguments":"{"}}]"#,
        r#""tool_calls":[{"index":1,"id":"","function":{"arguments":""}}]"#,
        r#""tool_calls":[{}]"#,
        r#""tool_calls":[]"#,
    ];
    let calls = prop::option::weighted(0.2, prop::sample::select(calls));
    (prop::collection::vec(field(keys, value), 0..most), calls).prop_map(|(mut fields, calls)| {
        fields.extend(calls.map(str::to_owned));
        format!("{{{}}}", fields.join(","))
    })
}

/// A value without structure, usually text.
fn leaf() -> impl Strategy<Value = String> {
    let other = vec![
        "\"\"",
        "\"r\"",
        "null",
        "true",
        "false",
        "0",
        "12",
        "1e3",
        "-1",
        "[]",
        "{}",
        "[\"aGk=\"]",
        "\"2026-08-21T09:00:00Z\"",
        "\"stop\"",
        "[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]",
        "[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]",
        "[{\"token\":\"a\",\"logprob\":-1}]",
    ];
    prop_oneof![
        3 => Just(format!("\"{HOLE}\"")),
        3 => prop::sample::select(other).prop_map(str::to_owned),
    ]
}

fn ollama_shape() -> impl Strategy<Value = String> {
    let message = object(
        &["content", "content", "thinking", "reasoning", "reasoning_content", "role", "tool_calls", "images"],
        4,
        leaf(),
    );
    let value = prop_oneof![2 => leaf(), 1 => message];
    object(
        &[
            "message",
            "message",
            "message",
            "response",
            "response",
            "thinking",
            "created_at",
            "created_at",
            "model",
            "done",
            "error",
            "logprobs",
            "image",
            "context",
        ],
        5,
        value,
    )
}

fn openai_shape() -> impl Strategy<Value = String> {
    let delta = object(
        &["content", "content", "reasoning", "reasoning_content", "refusal", "role", "tool_calls"],
        4,
        leaf(),
    );
    let in_choice = prop_oneof![1 => leaf(), 3 => delta];
    let choice = object(
        &["delta", "delta", "delta", "message", "text", "finish_reason", "index", "logprobs"],
        4,
        in_choice,
    );
    let choices = prop::collection::vec(choice, 0..3).prop_map(|choices| format!("[{}]", choices.join(",")));
    let value = prop_oneof![2 => leaf(), 3 => choices];
    object(
        &["choices", "choices", "choices", "created", "created", "id", "model", "usage", "error"],
        5,
        value,
    )
}

/// Records of one shape with different texts, sometimes with a byte or two changed.
fn alike(shape: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let texts = prop::collection::vec(text(), 2..6);
    let blows = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..3);
    (shape, texts, blows, any::<prop::sample::Index>()).prop_map(|(shape, texts, blows, hit)| {
        let mut frames: Vec<Vec<u8>> = texts
            .iter()
            .map(|text| shape.split(HOLE).map(str::as_bytes).collect::<Vec<_>>().join(&text[..]))
            .collect();
        let hit = hit.index(frames.len());
        for (at, byte, how) in blows {
            let frame = &mut frames[hit];
            let at = at.index(frame.len());
            match how {
                0 => frame[at] = byte,
                1 => frame.insert(at, byte),
                _ if frame.len() > 1 => drop(frame.remove(at)),
                _ => {}
            }
        }
        // Again from the start, with a template from another record.
        let again = frames.clone();
        frames.extend(again);
        frames
    })
}

/// Typical records of servers; `#` is the text, `@` a number.
const USUAL: [(Dialect, &str); 4] = [
    (
        Dialect::Ollama,
        r##"{"model":"m","created_at":"@","message":{"role":"assistant","content":"#"},"done":false}"##,
    ),
    (
        Dialect::Ollama,
        r##"{"model":"m","created_at":"@","message":{"role":"assistant","content":"","thinking":"#"},"done":false}"##,
    ),
    (Dialect::Ollama, r##"{"model":"m","created_at":"@","response":"#","done":false}"##),
    (
        Dialect::OpenAi,
        r##"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"#"}}],"created":@,"model":"m"}"##,
    ),
];

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn on_ollama_records_of_any_shape(frames in alike(ollama_shape())) {
        prop_assert_eq!(difference(Dialect::Ollama, frames.iter().map(Vec::as_slice)), None);
    }

    #[test]
    fn on_openai_chunks_of_any_shape(frames in alike(openai_shape())) {
        prop_assert_eq!(difference(Dialect::OpenAi, frames.iter().map(Vec::as_slice)), None);
    }

    /// Typical shapes of servers, so that the template reads most records.
    #[test]
    fn on_usual_records(texts in prop::collection::vec(text(), 1..12), at: u32, kind in 0..4_usize) {
        let (dialect, shape) = USUAL[kind];
        let frames: Vec<Vec<u8>> = texts
            .iter()
            .zip(at..=u32::MAX)
            .map(|(text, at)| {
                let parts: Vec<_> = shape.split('#').map(|part| part.replace('@', &at.to_string()).into_bytes()).collect();
                parts.join(&text[..])
            })
            .collect();
        prop_assert_eq!(difference(dialect, frames.iter().map(Vec::as_slice)), None);
    }
}
