//! Limits, queues, cancelling, and access.

use std::time::{Duration, Instant};

use towline_model::{Config, Limits};

use crate::client::{Client, lines};
use crate::server::Running;

const ENDLESS: &str = r#"{"model":"brook","prompt":"Tell me a story","options":{"num_predict":400,"temperature":1.5,"stop":[]}}"#;
const SHORT: &str = r#"{"model":"brook","prompt":"hello","stream":false,"options":{"num_predict":2}}"#;
const HOST: &str = "Host: localhost\r\n";

/// A server that runs one answer at a time, slowly.
fn slow(queue: usize) -> Running {
    let limits = Limits { parallel: 1, queue, ..Limits::default() };
    Running::start(Config { rate: Some(20.0), limits, ..Config::default() })
}

#[test]
fn a_client_that_leaves_frees_its_slot() {
    let server = slow(8);
    let mut first = server.client();
    assert!(first.post("/api/generate", ENDLESS).line().is_some());
    let mut second = server.client();
    second.send_only("POST", "/api/generate", HOST, SHORT);
    let began = Instant::now();
    drop(first);
    assert_eq!(second.answer().json()["done"], true);
    // The first answer would have taken 20 seconds.
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_request_too_many_is_refused_and_the_others_wait() {
    let server = slow(1);
    let mut first = server.client();
    assert!(first.post("/api/generate", ENDLESS).line().is_some());
    let mut others: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut others {
        client.send_only("POST", "/api/generate", HOST, SHORT);
    }
    // The second request finds the only place taken.
    let refused = loop {
        let moment = Duration::from_millis(5);
        if let Some(index) = others.iter_mut().position(|client| client.has_answer_within(moment)) {
            break index;
        }
    };
    let mut refused = others.remove(refused);
    let answer = refused.answer();
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].as_str().unwrap().starts_with("server busy"));
    drop(first);
    assert_eq!(others[0].answer().json()["done"], true);
}

#[test]
fn answers_run_side_by_side_up_to_the_limit() {
    let limits = Limits { parallel: 3, ..Limits::default() };
    let server = Running::start(Config { rate: Some(50.0), limits, ..Config::default() });
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send_only("POST", "/api/generate", HOST, ENDLESS);
    }
    // All have begun and none has ended.
    for client in &mut clients {
        assert!(client.answer().line().is_some());
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let server = Running::start(Config { limits, ..Config::default() });
    let mut client = server.client();
    let answer = client.post("/api/chat", &" ".repeat(1001));
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"], "the request body is larger than 1000 bytes");
}

#[test]
fn requests_share_one_budget_of_memory() {
    // Room for one slow answer and a body of some 2 KB.
    let limits = Limits { memory_bytes: 128 << 10, ..Limits::default() };
    let server = Running::start(Config { rate: Some(20.0), limits, ..Config::default() });
    let mut first = server.client();
    assert!(first.post("/api/generate", ENDLESS).line().is_some());
    let mut second = server.client();
    let mut ask = |path: &str, body: &str| {
        let answer = second.post(path, body);
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let (status, error) = ask("/api/generate", SHORT);
    assert!(status == 503 && error.contains("memory"), "{status} {error}");
    // An answer frees its memory when it ends, or when its reader leaves.
    drop(first);
    while ask("/api/generate", SHORT).0 == 503 {}
    let inputs = |count| serde_json::json!({"model": "brook", "input": vec!["a"; count]}).to_string();
    assert_eq!(ask("/api/embed", &inputs(40)).0, 503);
    assert_eq!(ask("/api/embed", &inputs(2)).0, 200);
}

#[test]
fn a_paste_of_any_length_is_cut_and_noted() {
    let server = Running::start(Config::default());
    let paste: String =
        (0..10_000).map(|line| format!("{line}: rivers bend, and no line is like another\n")).collect();
    let body = serde_json::json!({"model": "brook", "prompt": paste, "stream": false, "options": {"num_predict": 2}});
    let answer = server.client().post("/api/generate", &body.to_string()).json();
    assert_eq!(answer["prompt_eval_count"], 510);
    assert!(
        answer["note"].as_str().unwrap().ends_with(" was cut to 510: the context holds 512, answer included")
    );
}

#[test]
fn pages_from_elsewhere_are_refused() {
    let server = Running::start(Config::default());
    let check = |headers: &str, status: u16, origin: Option<&str>| {
        let mut client = server.client();
        let answer = client.send("GET", "/api/tags", headers, "");
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.header("access-control-allow-origin"), origin, "{headers}");
    };
    check("Host: 127.0.0.1:11434\r\n", 200, None);
    check("Host: evil.example\r\n", 403, None);
    check("Host: 192.168.1.5:11434\r\n", 403, None);
    check("Host: box.internal\r\n", 200, None);
    check("Host: localhost\r\nOrigin: http://page.local\r\n", 403, None);
    check("Host: localhost\r\nOrigin: https://evil.example\r\n", 403, None);
    let local = "Host: localhost\r\nOrigin: http://localhost:5173\r\n";
    check(local, 200, Some("http://localhost:5173"));
    let mut client = server.client();
    assert_eq!(client.send("OPTIONS", "/api/chat", local, "").status, 204);
}

#[test]
fn nonsense_costs_only_its_own_connection() {
    let server = Running::start(Config::default());
    for nonsense in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"] {
        server.client().raw(nonsense.as_bytes());
    }
    assert_eq!(server.client().get("/").status, 200);
}

#[test]
fn a_cancelled_request_gives_its_connection_up_and_no_other() {
    let server = slow(8);
    let mut stays = server.client();
    let mut leaves = server.client();
    let answer =
        stays.post("/api/generate", r#"{"model":"brook","prompt":"hello","options":{"num_predict":6}}"#);
    leaves.send_only("POST", "/api/generate", HOST, ENDLESS);
    drop(leaves);
    let records: Vec<_> = lines(answer).collect();
    assert_eq!(records.last().unwrap()["done"], true);
    assert_eq!(stays.post("/api/generate", SHORT).json()["done"], true);
}
