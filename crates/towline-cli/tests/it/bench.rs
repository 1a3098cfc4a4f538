//! `towline bench`.

use serde_json::{Value, json};
use towline_testkit::records::ollama::{chat, chat_text};
use towline_testkit::{Routes, Script, Server};

use crate::program::{ended, towline};

#[test]
fn it_counts_what_users_feel() {
    let server = Server::start(Script::ndjson(chat(&["a", "b", "c"])));
    let arguments =
        ["bench", "--host", &server.url(), "-m", "m", "--streams", "3", "--requests", "7", "--json"];
    let measured = ended(&mut towline(arguments));
    assert_eq!((measured.code, measured.stderr.as_str()), (Some(0), ""));
    let result: Value = measured.lines().remove(0);
    assert_eq!(
        result["outcomes"],
        json!({ "cancelled": 0, "completed": 7, "failed": 0, "timed_out": 0, "truncated": 0 })
    );
    assert_eq!((&result["records"], &result["tokens"]), (&json!(28), &json!(21)));
    assert_eq!((&result["first_token_ms"]["count"], &result["gap_ms"]["count"]), (&json!(7), &json!(14)));
    assert!(result["tokens_per_s"]["total"].as_f64().unwrap() > 0.0);
    assert!(result["client"]["cpu_us_per_record"].is_number(), "{result}");
    assert_eq!(server.requests().len(), 7);
}

#[test]
fn endings_are_distinguished() {
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [Script::ndjson(chat(&["a"])), Script::ndjson([chat_text("a")]), Script::error(500, "tired")],
    ));
    let arguments = ["bench", "--host", &server.url(), "-m", "m", "--requests", "3"];
    let measured = ended(&mut towline(arguments));
    assert_eq!(measured.code, Some(1), "{measured:?}");
    assert!(measured.stdout.contains("1 completed, 1 failed, 1 truncated"), "{measured:?}");
    assert!(measured.stdout.contains("1 × server: tired (status 500)"), "{measured:?}");
    assert!(measured.stdout.contains("first token"), "{measured:?}");
}

#[test]
fn a_signal_ends_it_and_it_reports() {
    use crate::program::{Live, SOON};
    let scripts = [Script::ndjson(chat(&["a"])), Script::ndjson_open([chat_text("b")]).stall()];
    let server = Server::start(Routes::new().path_each("/api/chat", scripts));
    let arguments = ["bench", "--host", &server.url(), "-m", "m", "--requests", "9", "--json"];
    let live = Live::start(&mut towline(arguments));
    assert!(server.wait_for_request(2, SOON).is_some());
    live.signal(rustix::process::Signal::INT);
    let ended = live.finish();
    let result = ended.lines().remove(0);
    assert_eq!((ended.code, &result["interrupted"], &result["ended"]), (Some(130), &json!(true), &json!(2)));
    assert_eq!((&result["outcomes"]["completed"], &result["outcomes"]["cancelled"]), (&json!(1), &json!(1)));
}
