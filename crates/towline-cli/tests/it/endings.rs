//! Every way a stream can end: the exit status, the message, the JSON.

use serde_json::{Value, json};
use towline_testkit::records::ollama::{chat, chat_done, chat_text, error};
use towline_testkit::{Body, Script, Server, http, ports};

use crate::program::{Ended, ended, run};

struct Case {
    script: Script,
    options: &'static [&'static str],
    code: i32,
    outcome: &'static str,
    /// The error's kind, fault, status, and whether it may have had an effect.
    error: Value,
    text: &'static str,
    /// The messages for people.
    says: &'static [&'static str],
}

fn check(name: &str, case: Case) {
    let server = Server::start(case.script.clone());
    let plain = ended(&mut run(&server.url(), case.options));
    assert_eq!(plain.code, Some(case.code), "{name}: {plain:?}");
    assert_eq!(plain.stdout, case.text, "{name}: {plain:?}");
    for part in case.says {
        assert!(plain.stderr.contains(part), "{name}: {part:?} is not said: {}", plain.stderr);
    }
    let server = Server::start(case.script);
    let options: Vec<&str> = case.options.iter().copied().chain(["--json"]).collect();
    let json = ended(&mut run(&server.url(), &options));
    assert_eq!(json.code, Some(case.code), "{name}: {json:?}");
    check_json(name, &json, case.outcome, &case.error, case.text);
    assert_eq!(json.lines()[0], json!({ "event": "start", "model": "m", "server": server.url() }), "{name}");
}

fn check_json(name: &str, json: &Ended, outcome: &str, error: &Value, text: &str) {
    let end = json.end();
    assert_eq!(end["outcome"], outcome, "{name}: {end}");
    assert_eq!(end["text_bytes"], text.len(), "{name}: {end}");
    let texts: Vec<Value> = json.lines().iter().filter(|line| line["event"] == "text").cloned().collect();
    let joined: String = texts.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(joined, text, "{name}");
    let e = &end["error"];
    let found = if e.is_null() {
        Value::Null
    } else {
        assert!(!e["message"].as_str().unwrap().is_empty(), "{name}: {end}");
        json!([e["kind"], e["fault"], e["status"], e["may_have_had_effect"]])
    };
    assert_eq!(&found, error, "{name}: {end}");
    assert!(end["timing"]["total_ms"].as_f64().unwrap() > 0.0, "{name}: {end}");
}

#[test]
fn completed() {
    check(
        "stop",
        Case {
            script: Script::ndjson(chat(&["Hel", "lo"])),
            options: &[],
            code: 0,
            outcome: "completed",
            error: Value::Null,
            text: "Hello",
            says: &[],
        },
    );
    check(
        "at the length limit",
        Case {
            script: Script::ndjson([chat_text("Hel"), chat_done("length", 1)]),
            options: &[],
            code: 0,
            outcome: "completed",
            error: Value::Null,
            text: "Hel",
            says: &["length limit", "num_predict"],
        },
    );
    check(
        "the server hangs after its terminal record",
        Case {
            script: Script::ndjson_open(chat(&["Hello"])).stall(),
            options: &[],
            code: 0,
            outcome: "completed",
            error: Value::Null,
            text: "Hello",
            says: &[],
        },
    );
}

#[test]
fn truncated() {
    check(
        "a clean end",
        Case {
            script: Script::ndjson([chat_text("Hel")]),
            options: &[],
            code: 3,
            outcome: "truncated",
            error: json!(["truncated", "server", null, true]),
            text: "Hel",
            says: &["error: the answer is incomplete", "kept 3 characters of the answer (1 record)", "hint:"],
        },
    );
    check(
        "half a line",
        Case {
            script: Script::ndjson_open([chat_text("Hel")]).chunk(&chat_text("lo")[..40]).end_chunks(),
            options: &[],
            code: 3,
            outcome: "truncated",
            error: json!(["truncated", "server", null, true]),
            text: "Hel",
            says: &["incomplete"],
        },
    );
    check(
        "closed in the middle",
        Case {
            script: Script::ndjson_open([chat_text("Hel")]).close(),
            options: &[],
            code: 3,
            outcome: "truncated",
            error: json!(["truncated", "transport", null, true]),
            text: "Hel",
            says: &["incomplete"],
        },
    );
    check(
        "an empty body",
        Case {
            script: Script::ndjson(Vec::<String>::new()),
            options: &[],
            code: 3,
            outcome: "truncated",
            error: json!(["truncated", "server", null, true]),
            text: "",
            says: &["before its first record"],
        },
    );
}

#[test]
fn failed() {
    check(
        "an error line",
        Case {
            script: Script::ndjson([chat_text("Hel"), error("out of memory")]),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["server", "server", null, true]),
            text: "Hel",
            says: &["error: out of memory; kept 3 characters of the answer (2 records)"],
        },
    );
    check(
        "a reset",
        Case {
            script: Script::ndjson_open([chat_text("Hel")]).reset(),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["connection_lost", "transport", null, true]),
            text: "Hel",
            says: &["reset the connection", "; kept 3 characters of the answer (1 record)"],
        },
    );
    check(
        "garbage",
        Case {
            script: Script::ndjson([chat_text("Hel"), "<html>".to_owned()]),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["protocol", "protocol", 200, true]),
            text: "Hel",
            says: &["hint:"],
        },
    );
    check(
        "no key",
        Case {
            script: Script::error(401, "unauthorized"),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["unauthorized", "server", 401, false]),
            text: "",
            says: &["error: unauthorized (status 401)", "hint: put the server's key into OLLAMA_API_KEY"],
        },
    );
    check(
        "an internal error",
        Case {
            script: Script::error(500, "llama runner process has terminated"),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["server", "server", 500, true]),
            text: "",
            says: &["error: llama runner process has terminated (status 500)"],
        },
    );
    check(
        "thinking is refused",
        Case {
            script: Script::error(400, "\"m\" does not support thinking"),
            options: &["--think"],
            code: 1,
            outcome: "failed",
            error: json!(["rejected", "server", 400, false]),
            text: "",
            says: &["hint: run it without --think"],
        },
    );
    check(
        "not HTTP",
        Case {
            script: Script::request().send("SSH-2.0-OpenSSH_9.2\r\n").close(),
            options: &[],
            code: 1,
            outcome: "failed",
            error: json!(["protocol", "protocol", null, true]),
            text: "",
            says: &["error:", "hint: check that a model server is at this address"],
        },
    );
}

#[test]
fn timed_out() {
    let head = || Script::request().head(200, http::NDJSON, Body::Chunked);
    check(
        "first event",
        Case {
            script: head().stall(),
            options: &["--first-timeout", "60ms"],
            code: 124,
            outcome: "timed_out",
            error: json!(["timed_out", "server", null, true]),
            text: "",
            says: &[
                "no first record within 60 ms",
                "no text was received",
                "hint: a big model",
                "--first-timeout",
            ],
        },
    );
    check(
        "idle",
        Case {
            script: Script::ndjson_open([chat_text("Hel")]).stall(),
            options: &["--idle-timeout", "60ms"],
            code: 124,
            outcome: "timed_out",
            error: json!(["timed_out", "server", null, true]),
            text: "Hel",
            says: &["nothing further received within 60 ms; kept 3 characters", "--idle-timeout"],
        },
    );
    check(
        "total",
        Case {
            script: Script::ndjson_open([chat_text("Hel")]).stall(),
            options: &["--timeout", "900ms"],
            code: 124,
            outcome: "timed_out",
            error: json!(["timed_out", "caller", null, true]),
            text: "Hel",
            says: &["not finished within 900 ms; kept 3 characters", "--timeout"],
        },
    );
}

#[test]
fn a_flood_does_not_outrun_the_total_clock() {
    let line = http::chunk(http::line(chat_text("")));
    let flood = Script::request().head(200, http::NDJSON, Body::Chunked).forever(line.repeat(64));
    let server = Server::start(flood);
    let json = ended(&mut run(&server.url(), &["--json", "--timeout", "300ms"]));
    assert_eq!(json.code, Some(124));
    assert_eq!(json.end()["error"]["clock"], "total");
}

#[test]
fn timed_out_connecting() {
    let hole = ports::BlackHole::new().unwrap();
    let url = format!("http://{}", hole.addr());
    let plain = ended(&mut run(&url, &["--connect-timeout", "80ms"]));
    assert_eq!(plain.code, Some(124), "{plain:?}");
    assert!(plain.stderr.contains("no connection within 80 ms"), "{plain:?}");
    assert!(plain.stderr.contains("--connect-timeout"), "{plain:?}");
    let json = ended(&mut run(&url, &["--connect-timeout", "80ms", "--json"]));
    check_json("connect", &json, "timed_out", &json!(["timed_out", "transport", null, false]), "");
    assert_eq!(json.end()["error"]["clock"], "connect");
}

#[test]
fn refused() {
    let refusing = ports::Refusing::new().unwrap();
    let url = format!("http://{}", refusing.addr());
    let plain = ended(&mut run(&url, &[]));
    assert_eq!(plain.code, Some(1), "{plain:?}");
    assert_eq!(plain.stdout, "");
    assert!(plain.stderr.contains(&format!("error: {url} refused the connection")), "{plain:?}");
    assert!(plain.stderr.contains("hint: check that the server runs and that --host is right"), "{plain:?}");
    assert!(plain.stderr.contains("it was tried 3 times"), "{plain:?}");
    let json = ended(&mut run(&url, &["--json"]));
    assert_eq!((json.code, json.stderr.as_str()), (Some(1), ""));
    assert_eq!(json.lines().len(), 2, "{json:?}");
    assert_eq!(json.lines()[0], json!({ "event": "start", "model": "m", "server": url }));
    check_json("refused", &json, "failed", &json!(["connect", "transport", null, false]), "");
}

#[test]
fn a_missing_model() {
    let tags = r#"{"models":[{"name":"m2:latest"},{"name":"qwen3:0.6b"}]}"#;
    let server = Server::start(
        towline_testkit::Routes::new()
            .path("/api/chat", Script::error(404, "model 'm' not found"))
            .path("/api/tags", Script::respond(200, http::JSON, tags)),
    );
    let plain = ended(&mut run(&server.url(), &[]));
    assert_eq!(plain.code, Some(1), "{plain:?}");
    for part in ["error: model 'm' not found", " m fetches it", "installed with a similar name: m2:latest\n"]
    {
        assert!(plain.stderr.contains(part), "{part:?}: {plain:?}");
    }
    let json = ended(&mut run(&server.url(), &["--json"]));
    check_json("missing", &json, "failed", &json!(["not_found", "server", 404, false]), "");
}
