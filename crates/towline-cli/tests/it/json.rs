//! The format of every line of `--json`, as in `docs/json-output.md`.

use serde_json::{Value, json};
use towline_testkit::records::ollama::{chat_done, chat_text, chat_thinking, chat_tool_call};
use towline_testkit::{Script, Server};

use crate::program::{Live, ended, run};

/// The lines, with varying times and numbers replaced.
fn steady(mut line: Value) -> Value {
    if line["event"] == "end" {
        line["timing"] = json!(line["timing"].as_object().unwrap().keys().collect::<Vec<_>>());
    }
    line
}

#[test]
fn every_record_is_a_line() {
    let server = Server::start(Script::ndjson([
        chat_thinking("Hm"),
        chat_text("Hel"),
        chat_text("lo \u{1b}[31m\u{2028}é"),
        chat_tool_call("call_1", "weather", json!({ "city": "Ulm", "days": [1, 2] })),
        chat_done("stop", 4),
    ]));
    let ended = ended(&mut run(&server.url(), &["--json"]));
    let lines: Vec<Value> = ended.lines().into_iter().map(steady).collect();
    assert_eq!(
        lines,
        [
            json!({ "event": "start", "model": "m", "server": server.url() }),
            json!({ "event": "thinking", "text": "Hm" }),
            json!({ "event": "text", "text": "Hel" }),
            json!({ "event": "text", "text": "lo \u{1b}[31m\u{2028}é" }),
            json!({
                "event": "tool_call", "name": "weather",
                "arguments": { "city": "Ulm", "days": [1, 2] }, "id": "call_1",
            }),
            json!({
                "event": "end", "outcome": "completed", "reason": "stop", "error": null, "records": 5, "not_understood": null,
                "text_bytes": "Hello \u{1b}[31m\u{2028}é".len(),
                "usage": {
                    "prompt_tokens": 12, "cached_prompt_tokens": null, "completion_tokens": 4,
                    "total_ns": 14_000_000, "load_ns": 1_000_000, "prompt_ns": 9_000_000,
                    "completion_ns": 4_000_000,
                },
                "timing": ["first_event_ms", "total_ms"],
            }),
        ]
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(!ended.stdout.contains('\u{1b}'));
}

#[test]
fn what_is_not_understood_is_reported() {
    let odd = [r#"{"odd":1}"#, r#"{"odd":"\u001b[31m"}"#];
    let server = Server::start(Script::ndjson([&*chat_text("a"), odd[0], odd[1], &chat_done("stop", 1)]));
    let end = ended(&mut run(&server.url(), &["--json"])).end();
    assert_eq!(end["not_understood"], json!({ "count": 2, "first": odd }));
    let stats = ended(&mut run(&server.url(), &["--stats"]));
    let wanted = "unknown      2 of the server's records were not understood\n  {\"odd\":1}\n  {\"odd\":\"\\u001b[31m\"}\n";
    assert!(stats.stderr.ends_with(wanted), "{}", stats.stderr);
}

#[test]
fn integers_of_any_length_and_the_time_to_wait_are_reported() {
    let long: Value = serde_json::from_str(r#"{"id":123456789012345678901234567890}"#).unwrap();
    let call = chat_tool_call("call_1", "f", long);
    let server = Server::start(Script::ndjson([call, chat_done("stop", 1)]));
    let ended_whole = ended(&mut run(&server.url(), &["--json"]));
    assert!(
        ended_whole.stdout.contains(r#"{"id":123456789012345678901234567890}"#),
        "{}",
        ended_whole.stdout
    );

    let head = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(Script::request().send(head));
    assert_eq!(ended(&mut run(&server.url(), &["--json"])).end()["error"]["retry_after"], 3600.0);
}

#[test]
fn lines_come_with_their_records() {
    let server = Server::start(
        Script::ndjson_open([chat_text("Hel")])
            .wait("go")
            .line(chat_text("lo"))
            .wait("end")
            .lines([chat_done("stop", 2)]),
    );
    let mut live = Live::start(&mut run(&server.url(), &["--json"]));
    live.expect("{\"event\":\"text\",\"text\":\"Hel\"}\n");
    server.open("go");
    live.expect("{\"event\":\"text\",\"text\":\"lo\"}\n");
    server.open("end");
    assert_eq!(live.finish().end()["outcome"], "completed");
}

#[test]
fn start_comes_before_the_request_is_answered() {
    let server = Server::start(Script::request().wait("never").close());
    let mut live = Live::start(&mut run(&server.url(), &["--json"]));
    live.expect("{\"event\":\"start\",\"model\":\"m\"");
}

#[test]
fn without_a_model_there_are_two_lines_too() {
    let server = Server::start(Script::error(500, "broken"));
    let url = server.url();
    let ended = ended(&mut crate::program::towline(["run", "--host", &url, "--json", "hi"]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.lines()[0], json!({ "event": "start", "model": null, "server": url }));
    assert_eq!(ended.end()["error"]["kind"], "server");
}

#[test]
fn many_small_records_are_many_lines() {
    let texts: Vec<String> =
        (0..5000).map(|n| chat_text(&format!("{n} "))).chain([chat_done("stop", 5000)]).collect();
    let one_write = Script::request()
        .head(200, "application/x-ndjson", towline_testkit::Body::UntilClose)
        .send(texts.join("\n"))
        .close();
    let server = Server::start(one_write);
    let ended = ended(&mut run(&server.url(), &["--json"]));
    assert_eq!(ended.lines().len(), 5002);
    assert_eq!(ended.end()["records"], 5001);
}
