//! Data that is not understood is never success: errors in every form, unknown frames, content that is not text.

use std::time::Instant;

use towline_core::dialect::Dialect;
use towline_core::error::{ErrorKind, Fault};
use towline_core::outcome::{Ending, NotUnderstood, Outcome};
use towline_core::stream::{BodyEnd, Phase};
use towline_core::timeouts::Limits;

use crate::support::{End, open, run};

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn outcome(dialect: Dialect, body: &str) -> Outcome {
    run(dialect, [body.as_bytes()], End::Clean).outcome
}

/// The failure, which is the same however the stream is split.
fn failure(dialect: Dialect, body: &str) -> (String, Option<u16>, ErrorKind, String) {
    let whole = outcome(dialect, body);
    for size in [1, 7, 64] {
        assert_eq!(run(dialect, body.as_bytes().chunks(size), End::Clean).outcome, whole, "{body}");
    }
    let Ending::Failed(error) = whole.ending else { panic!("{body}: {:?}", whole.ending) };
    assert!(error.may_have_had_effect, "{body}");
    (error.message, error.status, error.kind, whole.reply.text)
}

#[test]
fn an_error_in_any_shape_before_the_end_mark_is_a_failure_in_the_servers_words() {
    for (event, message, status) in [
        // llama.cpp until 2025.
        ("error: {\"code\":500,\"message\":\"boom\",\"type\":\"server_error\"}\n\n", "boom", Some(500)),
        ("error:boom\n\n", "boom", None),
        ("event: error\ndata: {\"error\":{\"message\":\"boom\",\"code\":503}}\n\n", "boom", Some(503)),
        ("event:error\r\ndata: {\"message\":\"boom\"}\r\n\r\n", "boom", None),
        ("data: {\"message\":\"boom\"}\nevent: error\n\n", "boom", None),
        ("event: error\ndata: boom\n\n", "boom", None),
        ("event: error\n\n", "the server reported an error without a message", None),
        // vLLM.
        (
            "data: {\"object\":\"error\",\"message\":\"boom\",\"type\":\"BadRequest\",\"code\":400}\n\n",
            "boom",
            Some(400),
        ),
        ("data: {\"error\":\"boom\",\"status\":429}\n\n", "boom", Some(429)),
        ("data: {\"error\":{\"message\":\"boom\",\"code\":\"429\"}}\n\n", "boom", Some(429)),
        // OpenRouter.
        (
            "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\",\
             \"error\":{\"code\":502,\"message\":\"boom\"}}]}\n\n",
            "boom",
            Some(502),
        ),
        // FastChat.
        ("data: {\"text\":\"boom\",\"error_code\":50004}\n\n", "boom", None),
        // FastAPI, and gateways.
        ("data: {\"detail\":\"boom\"}\n\n", "boom", None),
        ("data: {\"errors\":[{\"message\":\"boom\"}]}\n\n", "boom", None),
        ("data: {\"message\":\"boom\",\"statusCode\":504}\n\n", "boom", Some(504)),
        (
            "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"boom\"}}\n\n",
            "boom",
            None,
        ),
        // AWS, Google, and others.
        ("data: {\"__type\":\"ThrottlingException\",\"message\":\"boom\"}\n\n", "boom", None),
        ("data: [{\"error\":{\"code\":429,\"message\":\"boom\"}}]\n\n", "boom", Some(429)),
        ("data: {\"code\":503,\"msg\":\"boom\"}\n\n", "boom", Some(503)),
        ("event: ERROR\ndata: {\"message\":\"boom\"}\n\n", "boom", None),
        // Records that lack the name of their field.
        ("{\"error\":{\"message\":\"boom\"}}\n\n", "boom", None),
        // JSON as text, as Ollama 0.33 forwards its runner's error.
        (
            "data: {\"error\":\"{\\\"error\\\":{\\\"message\\\":\\\"boom\\\",\\\"code\\\":500}}\"}\n\n",
            "boom",
            None,
        ),
    ] {
        let body = [TEXT, event, DONE].concat();
        let found = failure(Dialect::OpenAi, &body);
        assert_eq!(found, (message.to_owned(), status, ErrorKind::Server, "a".to_owned()), "{event}");
        // It may come before any text, and without a blank line after it.
        assert_eq!(failure(Dialect::OpenAi, event.trim_end()).0, message, "{event}");
    }
}

#[test]
fn an_error_of_ollama_or_lm_studio_in_any_shape() {
    for (record, message) in [
        (r#"{"error":"{\"error\":{\"code\":400,\"message\":\"no images\"}}"}"#, "no images"),
        (
            r#"{"error":"Unexpected endpoint or method. (POST /api/chat)"}"#,
            "Unexpected endpoint or method. (POST /api/chat)",
        ),
        (r#"{"message":{"content":"b"},"error":"boom","done":true}"#, "boom"),
        (r#"{"object":"error","message":"boom"}"#, "boom"),
        (r#"{"error":{"error":{"message":"boom"}}}"#, "boom"),
    ] {
        let body = format!("{{\"message\":{{\"content\":\"a\"}}}}\n{record}\n{{\"done\":true}}\n");
        let (found, _, kind, text) = failure(Dialect::Ollama, &body);
        assert_eq!((found.as_str(), kind, text.as_str()), (message, ErrorKind::Server, "a"), "{record}");
    }
}

#[test]
fn a_web_page_under_a_good_status_is_named_by_its_title() {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in\n to Corp</title></head>\n<body>\n\ndata: [DONE]\n</body></html>";
    for dialect in
        [Dialect::Ollama, Dialect::OllamaProgress, Dialect::OpenAi, Dialect::Responses, Dialect::Messages]
    {
        let (message, status, kind, _) = failure(dialect, page);
        assert_eq!((status, kind), (Some(200), ErrorKind::Protocol));
        assert!(message.contains("web page") && message.ends_with(": Sign in to Corp"), "{message}");
    }
}

/// Found by fuzzing: the phase went back to the one before the response.
#[test]
fn a_phase_never_goes_back_because_of_a_web_page() {
    let now = Instant::now();
    let mut life = open(Dialect::Ollama, Limits::default(), now);
    life.bytes(b" <html>", now);
    assert!(life.next_event().is_none());
    assert_eq!(life.phase(), Phase::Waiting);
    life.ended(BodyEnd::Clean, now);
    assert!(life.next_event().is_none());
    assert!(life.take_outcome().is_some_and(|outcome| outcome.ending.error().is_some()));
}

#[test]
fn an_end_mark_after_nothing_understood_completes_nothing() {
    for (dialect, body, says) in [
        (Dialect::OpenAi, "data: [DONE]\n\n", "without a single record"),
        (Dialect::OpenAi, ": PROCESSING\n\n: PROCESSING\n\ndata: [DONE]\n\n", "without a single record"),
        (Dialect::OpenAi, "data: {\"token\":\"a\"}\n\ndata: [DONE]\n\n", "it sent {\"token\":\"a\"}"),
        (Dialect::OpenAi, "data: {\"type\":\"ping\"}\n\ndata: [DONE]\n\n", "without a single record"),
        (
            Dialect::Messages,
            "data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"message_stop\"}\n\n",
            "without a single record",
        ),
    ] {
        let (message, _, kind, text) = failure(dialect, body);
        assert!(
            message.contains(says) && kind == ErrorKind::Protocol && text.is_empty(),
            "{body}: {message}"
        );
    }
    // An end after only unknown frames is a cut.
    let cut = outcome(Dialect::OpenAi, "data: {\"token\":\"a\"}\n\n");
    assert!(matches!(cut.ending, Ending::Truncated(_)) && cut.not_understood.count == 1, "{cut:?}");
}

#[test]
fn frames_without_meaning_are_counted_and_the_first_three_kept() {
    let long = format!("{{\"od\":\"{}\"}}", "é".repeat(4 << 10));
    let odd = [r#"{"odd":1}"#, &long, r#"{"odd":3}"#, r#"{"odd":4}"#];
    let kept = NotUnderstood {
        count: 4,
        first: vec![
            odd[0].to_owned(),
            odd[1][..NotUnderstood::MAX_KEPT_BYTES - 1].to_owned(),
            odd[2].to_owned(),
        ],
    };
    for (dialect, text, end) in [
        (Dialect::Ollama, "{\"message\":{\"content\":\"a\"}}\n", "{\"done\":true}\n"),
        (Dialect::OpenAi, TEXT, DONE),
    ] {
        let frame = |odd: &&str| match dialect.is_sse() {
            true => format!("data: {odd}\n\n"),
            false => format!("{odd}\n"),
        };
        let body = [text, &odd.iter().map(frame).collect::<String>(), text, end].concat();
        let outcome = outcome(dialect, &body);
        assert!(outcome.is_completed(), "{outcome:?}");
        assert_eq!((outcome.reply.text.as_str(), outcome.stats.records), ("aa", 3));
        assert_eq!(outcome.not_understood, kept);
    }
    let unknown = "{\"status\":\"pulling\"}\n{\"odd\":1}\n{\"status\":\"success\"}\n";
    assert_eq!(outcome(Dialect::OllamaProgress, unknown).not_understood.count, 1);
}

#[test]
fn ollamas_v1_that_lets_go_of_a_killed_runner_failed() {
    let chunk = |model: &str, text: &str| {
        format!(
            "data: {{\"model\":\"{model}\",\"system_fingerprint\":\"fp_ollama\",\
             \"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        )
    };
    let body = chunk("m", "a") + &chunk("", "");
    let (message, _, kind, text) = failure(Dialect::OpenAi, &body);
    assert!(message.contains("model runner was killed"), "{message}");
    assert_eq!((kind, text.as_str()), (ErrorKind::Server, "a"));
    // Only at the end, and only in this form.
    for (body, is_completed) in
        [(body.clone() + DONE, true), (body + &chunk("m", "b"), false), (chunk("m", "a"), false)]
    {
        let outcome = outcome(Dialect::OpenAi, &body);
        assert_eq!(outcome.is_completed(), is_completed, "{body}");
        assert!(is_completed || matches!(outcome.ending, Ending::Truncated(_)), "{outcome:?}");
    }
}

fn content(dialect: Dialect, content: &str) -> String {
    match dialect.is_sse() {
        true => {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":{content}}}}}]}}\n\ndata: [DONE]\n\n")
        }
        false => format!("{{\"message\":{{\"content\":{content}}}}}\n{{\"done\":true}}\n"),
    }
}

#[test]
fn content_in_parts_is_read() {
    for (parts, text, thinking) in [
        // Mistral.
        (
            r#"[{"type":"thinking","thinking":[{"type":"text","text":"t1"},{"type":"text","text":"t2"}]},{"type":"text","text":"a"}]"#,
            "a",
            "t1t2",
        ),
        // Databricks.
        (
            r#"[{"type":"reasoning","summary":[{"type":"summary_text","text":"t","signature":""}]},{"type":"text","text":"a"}]"#,
            "a",
            "t",
        ),
        (r#"["a","b"]"#, "ab", ""),
        (r#"{"type":"text","text":"a"}"#, "a", ""),
        (r#"[{"text":"a"}]"#, "a", ""),
        ("[]", "", ""),
    ] {
        for dialect in [Dialect::Ollama, Dialect::OpenAi] {
            let outcome = outcome(dialect, &content(dialect, parts));
            assert!(outcome.is_completed(), "{parts}: {outcome:?}");
            assert_eq!(
                (outcome.reply.text.as_str(), outcome.reply.thinking.as_str()),
                (text, thinking),
                "{parts}"
            );
        }
    }
}

#[test]
fn content_that_is_neither_text_nor_thinking_is_named_and_never_dropped() {
    for (parts, named) in [
        (r#"[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:"}}]"#, "image_url"),
        (r#"[{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]"#, "reference"),
        (r#"["a",7]"#, "a number"),
        (r#"["a",true]"#, "a truth value"),
        (r#"["a",{"odd":1}]"#, "a part without a type"),
    ] {
        for dialect in [Dialect::Ollama, Dialect::OpenAi] {
            let body = content(dialect, parts);
            let (message, _, kind, text) = failure(dialect, &body);
            assert!(message.contains(named), "{parts}: {message}");
            assert_eq!((kind, text.as_str()), (ErrorKind::Protocol, "a"), "{parts}");
        }
    }
    let audio = "data: {\"choices\":[{\"delta\":{\"audio\":{\"data\":\"AAAA\"}}}]}\n\ndata: [DONE]\n\n";
    assert!(failure(Dialect::OpenAi, audio).0.contains("audio"));
}

/// The name and the arguments of each call, as JSON.
fn calls(deltas: &[&str]) -> Vec<(String, String)> {
    let chunk = |delta: &&str| format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
    let outcome = outcome(Dialect::OpenAi, &(deltas.iter().map(chunk).collect::<String>() + DONE));
    assert!(outcome.is_completed(), "{deltas:?}: {outcome:?}");
    outcome.reply.tool_calls.into_iter().map(|call| (call.name, call.arguments.to_string())).collect()
}

#[test]
fn tool_calls_without_id_and_index_stay_apart() {
    let wanted = [("f".to_owned(), r#"{"x":1}"#.to_owned()), ("f".to_owned(), r#"{"x":2}"#.to_owned())];
    for deltas in [
        // Both in one record, one record each, in pieces, as objects, with the same index, in the old field.
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}},{"function":{"name":"f","arguments":"{\"x\":2}"}}]}"#,
        ][..],
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":2}"}}]}"#,
        ],
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\""}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":":1}"}}]}"#,
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"2}"}}]}"#,
        ],
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}"#,
            r#"{"tool_calls":[{"function":{"name":"f","arguments":{"x":2}}}]}"#,
        ],
        &[
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"x\":2}"}}]}"#,
        ],
        &[
            r#"{"function_call":{"name":"f","arguments":"{\"x\":"}}"#,
            r#"{"function_call":{"arguments":"1}"}}"#,
            r#"{"function_call":{"name":"f","arguments":"{\"x\":2}"}}"#,
        ],
    ] {
        assert_eq!(calls(deltas), wanted, "{deltas:?}");
    }
}

#[test]
fn integers_of_any_length_keep_every_digit() {
    let long = "123456789012345678901234567890";
    let (text, object) = (
        format!(r#"{{"tool_calls":[{{"function":{{"name":"f","arguments":"{{\"id\":{long}}}"}}}}]}}"#),
        format!(r#"{{"tool_calls":[{{"function":{{"name":"f","arguments":{{"id":{long}}}}}}}]}}"#),
    );
    let wanted = [("f".to_owned(), format!("{{\"id\":{long}}}"))];
    assert_eq!(calls(&[&text]), wanted);
    assert_eq!(calls(&[&object]), wanted);
    let body = format!("{{\"message\":{object}}}\n{{\"done\":true}}\n");
    let calls = outcome(Dialect::Ollama, &body).reply.tool_calls;
    assert_eq!(calls[0].arguments.to_string(), wanted[0].1);
}

#[test]
fn a_failure_of_responses_and_messages_is_one() {
    for (dialect, body, message) in [
        (
            Dialect::Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\
             \"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}}\n\n",
            "boom",
        ),
        (Dialect::Responses, "event: error\ndata: {\"type\":\"error\",\"message\":\"boom\"}\n\n", "boom"),
        (
            Dialect::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"boom\"}}\n\n",
            "boom",
        ),
    ] {
        let (found, _, kind, _) = failure(dialect, body);
        assert_eq!((found.as_str(), kind), (message, ErrorKind::Server), "{body}");
    }
    let outcome = outcome(Dialect::Messages, "event: error\ndata: {\"type\":\"error\"}\n\n");
    let Ending::Failed(error) = outcome.ending else { panic!("{outcome:?}") };
    assert_eq!(error.fault, Fault::Server);
}

#[test]
fn reasoning_that_is_only_in_details_is_read() {
    let details = r#"[{"type":"reasoning.summary","summary":"s"},{"type":"reasoning.text","text":"t"},
        {"type":"reasoning.encrypted","data":"AAAA"}]"#
        .replace('\n', "");
    for (delta, thinking) in [
        (format!("{{\"reasoning_details\":{details}}}"), "st"),
        (format!("{{\"reasoning\":\"r\",\"reasoning_details\":{details}}}"), "r"),
    ] {
        let body = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n{DONE}");
        assert_eq!(outcome(Dialect::OpenAi, &body).reply.thinking, thinking, "{delta}");
    }
}
