//! Error messages for people: the server's own words, made harmless.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::outcome::Ending;
use towline_core::stream::BodyEnd;
use towline_core::timeouts::Limits;
use towline_testkit::corpus;

use crate::support::{End, cases, dialect, drain, open, run};

/// The longest message that repeats a server's words, in characters.
const LONGEST: usize = 700;

fn assert_harmless(message: &str) {
    assert!(!message.trim().is_empty());
    assert!(message.chars().count() <= LONGEST, "{} characters", message.chars().count());
    let odd = message.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    assert_eq!(odd, None, "{message:?}");
}

/// How a stream of one body ended in failure.
fn failure(dialect: Dialect, body: &[u8]) -> Error {
    match run(dialect, [body], End::Clean).outcome.ending {
        Ending::Failed(error) => error,
        other @ (Ending::Completed(_)
        | Ending::Truncated(_)
        | Ending::Cancelled { .. }
        | Ending::TimedOut { .. }) => panic!("{}: {other:?}", String::from_utf8_lossy(body)),
    }
}

#[test]
fn the_error_of_a_record_in_the_servers_words() {
    for (record, message, status) in [
        (r#"{"error":"out of memory"}"#, "out of memory", None),
        (r#"{"error":{"message":"too long","type":"x","code":400}}"#, "too long", Some(400)),
        (r#"{"error":{"code":"rate_limited","message":"slow down","status":429}}"#, "slow down", Some(429)),
        (r#"{"error":"no","StatusCode":502,"Status":"502 Bad Gateway"}"#, "no", Some(502)),
        (r#"{"error":"no","status_code":503}"#, "no", Some(503)),
        (r#"{"error":{"code":7}}"#, r#"{"code":7}"#, None),
        (r#"{"error":17}"#, "17", None),
        (r#"{"error":false}"#, "false", None),
        (r#"{"error":["a","b"]}"#, r#"["a","b"]"#, None),
        (r#"{"error":"a\n\tb\r\n  c "}"#, "a b c", None),
        (r#"{"error":"\u001b[31mred\u0007\u0000\u0085\u2028x"}"#, "\u{fffd}[31mred\u{fffd}\u{fffd} x", None),
        (
            r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect?name=x"}"#,
            "unauthorized (sign in at https://ollama.com/connect?name=x)",
            None,
        ),
        (r#"{"error":""}"#, "the server reported an error without a message", None),
        (r#"{"error":" \n"}"#, "the server reported an error without a message", None),
        (r#"{"error":{"message":""}}"#, "the server reported an error without a message", None),
    ] {
        let error = failure(Dialect::Ollama, record.as_bytes());
        let wanted = Error { status, ..Error::new(ErrorKind::Server, Fault::Server, message) };
        assert_eq!(error, wanted.with_effect(true), "{record}");
        assert_harmless(&error.message);
        let event = format!("data: {record}\n\n");
        assert_eq!(failure(Dialect::OpenAi, event.as_bytes()), error, "{record}");
        let progress = failure(Dialect::OllamaProgress, record.as_bytes());
        assert_eq!(progress, error, "{record}");
    }
}

#[test]
fn the_error_of_a_status_in_the_servers_words() {
    for (status, body, message, kind) in [
        (404, r#"{"error":"model 'x' not found"}"#, "model 'x' not found (status 404)", ErrorKind::NotFound),
        (
            400,
            r#"{"error":{"code":400,"message":"too long","type":"t"}}"#,
            "too long (status 400)",
            ErrorKind::Rejected,
        ),
        (500, "Internal Server Error\n", "Internal Server Error (status 500)", ErrorKind::Server),
        (502, "<html>\n <b>Bad</b> Gateway\n</html>", "Bad Gateway (status 502)", ErrorKind::Server),
        (403, "", "the server answered with status 403 and no explanation", ErrorKind::Unauthorized),
        (503, r#"{"error":""}"#, "the server answered with status 503 and no explanation", ErrorKind::Busy),
        (500, r#"{"error":null}"#, r#"{"error":null} (status 500)"#, ErrorKind::Server),
        (422, r#"{"detail":"field required"}"#, "field required (status 422)", ErrorKind::Rejected),
        (
            422,
            r#"{"detail":[{"loc":["body"]}]}"#,
            r#"{"detail":[{"loc":["body"]}]} (status 422)"#,
            ErrorKind::Rejected,
        ),
        (429, r#"{"message":"slow down"}"#, "slow down (status 429)", ErrorKind::Busy),
        (
            401,
            r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect"}"#,
            "unauthorized (sign in at https://ollama.com/connect) (status 401)",
            ErrorKind::Unauthorized,
        ),
        (302, "moved", "moved (status 302)", ErrorKind::Redirect),
        (304, "\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd} (status 304)", ErrorKind::Redirect),
    ] {
        let error = Error::from_status(status, body.as_bytes(), Some(Duration::from_secs(1)));
        assert_eq!(error.message, message, "{body}");
        assert_eq!((error.kind, error.fault, error.status), (kind, Fault::Server, Some(status)), "{body}");
        assert_harmless(&error.message);
    }
    for status in 100..=999 {
        let refused_before_acting = matches!(status, 300..=499 | 503);
        let error = Error::from_status(status, b"", None);
        assert_eq!(error.may_have_had_effect, !refused_before_acting, "{status}");
    }
}

#[test]
fn what_is_no_record_is_quoted_in_part() {
    for (dialect, body, message) in [
        (Dialect::Ollama, "[1,2]\n", "(it is not an object): [1,2]"),
        (Dialect::Ollama, "7\n", "(it is not an object): 7"),
        (Dialect::Ollama, "{\"a\":\u{1b}}\n", "(expected value): {\"a\":\u{fffd}}"),
        (Dialect::Ollama, "data: {}\n", "(expected value): data: {}"),
        (Dialect::OpenAi, "data: nope\n\n", "(expected ident): nope"),
        (Dialect::OpenAi, "data: \"[DONE]\"\n\n", "(it is not an object): \"[DONE]\""),
    ] {
        let error = failure(dialect, body.as_bytes());
        assert_eq!(
            (error.kind, error.fault, error.may_have_had_effect),
            (ErrorKind::Protocol, Fault::Protocol, true)
        );
        let wanted = format!("the server sent something that is not a record of its protocol {message}");
        assert_eq!(error.message, wanted, "{body:?}");
    }
    let long = "<p>".repeat(10_000) + "\n";
    assert_harmless(&failure(Dialect::Ollama, long.as_bytes()).message);
}

#[test]
fn a_finish_by_error_without_an_error_says_so() {
    let body = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"error\"}]}\n\n";
    let error = failure(Dialect::OpenAi, body);
    assert_eq!(error.message, "the server finished with an error it did not explain");
    assert_eq!((error.kind, error.fault), (ErrorKind::Server, Fault::Server));
}

#[test]
fn truncation_says_who_and_what() {
    let record = b"{\"message\":{\"content\":\"a\"}}\n";
    for (body, end, fault, message) in [
        (&b""[..], BodyEnd::Clean, Fault::Server, "ended normally before its first record"),
        (&b""[..], BodyEnd::Cut, Fault::Transport, "was closed before its first record"),
        (record, BodyEnd::Clean, Fault::Server, "ended normally before its terminal record"),
        (record, BodyEnd::Cut, Fault::Transport, "was closed before its terminal record"),
    ] {
        let mut life = open(Dialect::Ollama, Limits::default(), Instant::now());
        life.bytes(body, Instant::now());
        life.ended(end, Instant::now());
        let outcome = drain(&mut life, &mut Vec::new()).unwrap();
        let message = format!("the answer is incomplete: the response {message}");
        let wanted = Error::new(ErrorKind::Truncated, fault, message).with_effect(true);
        assert_eq!(outcome.ending, Ending::Truncated(wanted));
    }
}

#[test]
fn every_message_of_the_corpus_is_harmless() {
    for case in corpus::load_all() {
        for end in End::ALL {
            if let Some(error) = run(dialect(&case), [&case.stream[..]], end).outcome.ending.error() {
                assert_harmless(&error.message);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn any_words_of_a_server_are_made_harmless(words in ".{0,400}", bytes: Vec<u8>, status in 100_u16..1000) {
        for body in [
            serde_json::json!({ "error": words, "signin_url": words }).to_string().into_bytes(),
            serde_json::json!({ "error": { "message": words } }).to_string().into_bytes(),
            serde_json::json!({ "error": { words.clone(): words } }).to_string().into_bytes(),
            serde_json::json!([words]).to_string().into_bytes(),
            words.replace(['\n', '{'], " ").into_bytes(),
            bytes,
        ] {
            assert_harmless(&Error::from_status(status, &body, None).message);
            let ending = run(Dialect::Ollama, [&body[..], b"\n"], End::Clean).outcome.ending;
            if let Ending::Failed(error) = ending {
                assert_harmless(&error.message);
            }
        }
    }
}
