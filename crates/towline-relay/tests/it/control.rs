//! Control of jobs, and who may control them.

use bytes::Bytes;
use serde_json::{Value, json};
use towline::forward::{Body, Request};
use towline_core::http1::{Headers, Method};
use towline_relay::Token;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, chat, config, soon};

fn stalling() -> Server {
    let text = ollama::chat_text("Hel");
    let paused = Script::ndjson_open([&text]).wait("go").lines(ollama::chat(&["lo"])).end_chunks();
    Server::start(
        Routes::new()
            .model("m", Script::ndjson_open([&text]).stall())
            .model("p", paused)
            .model("x", Script::ndjson(ollama::chat(&["x"]))),
    )
}

async fn order(relay: &Relay, id: &str, order: &str, body: Value) -> (u16, Value) {
    let mut answer = relay.post(&format!("/towline/v1/jobs/{id}/{order}"), &[], &body.to_string()).await;
    (answer.status, answer.json().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_once_and_says_why() {
    let server = stalling();
    let relay = Relay::start(config(&server.url())).await;
    let id = relay.detached("m").await;
    let (status, job) = order(&relay, &id, "cancel", json!({"reason": "enough"})).await;
    assert_eq!(status, 202);
    assert_eq!(job["id"], id.as_str());
    let job = relay.ended(&id).await;
    assert_eq!((&job["state"], &job["cause"]), (&json!("cancelled"), &json!("enough")));
    let (status, job) = order(&relay, &id, "cancel", json!({})).await;
    assert_eq!((status, &job["cause"]), (200, &json!("enough")));
    let (status, error) = order(&relay, &id, "pause", json!({})).await;
    assert_eq!((status, &error["error"]["code"]), (409, &json!("conflict")));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_can_be_moved_and_ends_a_job() {
    let server = stalling();
    let relay = Relay::start(config(&server.url())).await;
    let headers = [("towline-detach", "true"), ("towline-deadline", "500")];
    let id =
        relay.post("/api/chat", &headers, &chat("m")).await.json().await["id"].as_str().unwrap().to_owned();
    let (_, job) = order(&relay, &id, "deadline", json!({"extend_s": 500})).await;
    assert!(job["deadline_s"].as_f64().unwrap() > 900.0, "{job}");
    let (_, job) = order(&relay, &id, "deadline", json!({"none": true})).await;
    assert_eq!(job["deadline_s"], Value::Null);
    let (status, _) = order(&relay, &id, "deadline", json!({"in_s": 0.01})).await;
    assert_eq!(status, 200);
    let job = relay.ended(&id).await;
    assert_eq!(job["state"], "timed_out");
    for wrong in [
        json!({}),
        json!({"in_s": 1, "none": true}),
        json!({"in_s": -1}),
        json!({"none": false}),
        json!({"x": 1}),
    ] {
        let (status, error) = order(&relay, &id, "deadline", wrong.clone()).await;
        assert_eq!((status, &error["error"]["code"]), (400, &json!("bad_request")), "{wrong}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_reads_nothing_until_it_is_unpaused() {
    let server = stalling();
    let relay = Relay::start(config(&server.url())).await;
    let id = relay.detached("p").await;
    let first = ollama::chat_text("Hel").len() + 1;
    let mut reader = relay.get(&format!("/streams/{id}?live=raw")).await;
    reader.until(first).await;
    let (_, job) = order(&relay, &id, "pause", json!({})).await;
    assert_eq!(job["state"], "paused");
    server.open("go");
    let (_, job) = order(&relay, &id, "unpause", json!({})).await;
    assert_ne!(job["state"], "paused");
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_filtered_watched_and_deleted() {
    let server = stalling();
    let relay = Relay::start(config(&server.url())).await;
    let running = relay.detached("m").await;
    let ended = relay.detached("x").await;
    relay.ended(&ended).await;
    let list = async |query: &str| -> Vec<String> {
        let jobs = relay.get(&format!("/towline/v1/jobs{query}")).await.json().await;
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(list("").await, [running.clone(), ended.clone()]);
    assert_eq!(list("?state=running").await, std::slice::from_ref(&running));
    assert_eq!(list("?state=ended").await, std::slice::from_ref(&ended));
    assert_eq!(list("?model=x&state=all").await, std::slice::from_ref(&ended));
    assert_eq!(list("?name=none").await, [""; 0]);
    assert_eq!(relay.get("/towline/v1/jobs?state=odd").await.status, 400);

    let mut watch = relay.get("/towline/v1/jobs?watch=true").await;
    let lines = |read: &[u8]| -> Vec<Value> {
        let whole = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        read[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    };
    while lines(&watch.read).len() < 2 {
        watch.more().await.unwrap();
    }
    assert_eq!(relay.delete(&format!("/towline/v1/jobs/{running}")).await.status, 204);
    let is_removed = |line: &Value| line["removed"] == running.as_str();
    while !lines(&watch.read).iter().any(is_removed) {
        assert!(watch.more().await.unwrap());
    }
    // Once, however many changes came before.
    assert_eq!(lines(&watch.read).iter().filter(|line| is_removed(line)).count(), 1);
    assert_eq!(relay.get(&format!("/towline/v1/jobs/{running}")).await.status, 404);
    assert_eq!(relay.get(&format!("/streams/{running}")).await.status, 404);
    assert_eq!(list("").await, [ended]);
    relay.stop().await;
}

/// A list is built piece by piece, even if only a few of many streams belong to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_found_behind_many_streams_that_are_none() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["x"]))));
    let relay = Relay::start(config(&server.url())).await;
    for number in 0..600 {
        let target = format!("/streams/s{number}");
        let made = ask(&relay.client, Method::Put, &target, &[("content-type", "text/plain")], "").await;
        assert_eq!(made.status, 201);
    }
    let none = relay.get("/towline/v1/jobs").await.json().await;
    assert_eq!(none, json!({ "jobs": [], "next": null }));
    let id = relay.detached("m").await;
    relay.ended(&id).await;
    for query in ["", "?state=ended", "?limit=1"] {
        let listed = relay.get(&format!("/towline/v1/jobs{query}")).await.json().await;
        assert_eq!(
            (listed["jobs"].as_array().unwrap().len(), &listed["jobs"][0]["id"]),
            (1, &id.as_str().into())
        );
    }
    let mut watch = relay.get("/towline/v1/jobs?watch=true").await;
    while !watch.read.ends_with(b"\n") {
        assert!(watch.more().await.unwrap());
    }
    assert_eq!(serde_json::from_slice::<Value>(&watch.read).unwrap()["id"], id.as_str());
    relay.stop().await;
}

/// The outcome follows the same rules at the relay: unknown frames are counted, and an end marker alone completes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_in_the_list() {
    let odd = r#"{"odd":1}"#;
    let counted = Script::ndjson([&*ollama::chat_text("a"), odd, odd, &ollama::chat_done("stop", 1)]);
    let server = Server::start(
        Routes::new().model("m", counted).path("/v1/chat/completions", Script::sse([odd, "[DONE]"])),
    );
    let relay = Relay::start(config(&server.url())).await;
    let whole = relay.ended(&relay.detached("m").await).await;
    assert_eq!((&whole["state"], &whole["not_understood"]), (&json!("completed"), &json!(2)));

    let headers = [("towline-detach", "true")];
    let asks = json!({"model": "v", "stream": true, "messages": []}).to_string();
    let made = relay.post("/v1/chat/completions", &headers, &asks).await.json().await;
    let failed = relay.ended(made["id"].as_str().unwrap()).await;
    assert_eq!((&failed["state"], &failed["not_understood"]), (&json!("failed"), &json!(1)));
    assert!(failed["cause"].as_str().unwrap().contains("without a single record"), "{failed}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_owner_sees_own_streams_only() {
    let server = stalling();
    let mut config = config(&server.url());
    config.tokens = vec![Token::new("ann", "ann's-long-secret"), Token::new("bob", "bob's-long-secret")];
    let relay = Relay::start(config).await;
    let (ann, bob) =
        (("authorization", "Bearer ann's-long-secret"), ("authorization", "Bearer bob's-long-secret"));
    let mut made = relay.post("/api/chat", &[ann, ("towline-detach", "true")], &chat("x")).await;
    let id = made.json().await["id"].as_str().unwrap().to_owned();
    let job = format!("/towline/v1/jobs/{id}");
    for (header, expected) in [(Some(ann), 200), (Some(bob), 404), (None, 401)] {
        let headers: Vec<_> = header.into_iter().collect();
        for target in [job.clone(), format!("/streams/{id}")] {
            assert_eq!(
                ask(&relay.client, Method::Get, &target, &headers, "").await.status,
                expected,
                "{target}"
            );
        }
    }
    assert_eq!(ask(&relay.client, Method::Delete, &job, &[bob], "").await.status, 404);
    // The same name means another stream for another owner.
    for owner in [ann, bob] {
        assert_eq!(ask(&relay.client, Method::Put, "/streams/same", &[owner], owner.1).await.status, 201);
    }
    let mut read = ask(&relay.client, Method::Get, "/streams/same", &[bob], "").await;
    assert_eq!(read.text().await, bob.1);
    // The token is for the relay, and is not forwarded.
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
    assert_eq!(relay.get("/healthz").await.status, 200);
    assert_eq!(relay.get("/metrics").await.status, 401);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_answers_and_cuts_those_that_take_too_long() {
    let server = stalling();
    let folder = tempfile::tempdir().unwrap();
    let start = async |drain| {
        let mut config = crate::support::on_disk(config(&server.url()), folder.path());
        config.times.drain = drain;
        Relay::start(config).await
    };
    let relay = start(std::time::Duration::from_millis(1)).await;
    let id = relay.detached("m").await;
    let report = relay.stop().await;
    assert_eq!((report.running, report.cut), (1, 1));
    let relay = start(crate::support::SOON).await;
    assert!(relay.log(&id).await.contains("\"outcome\":\"interrupted\",\"cause\":\"the relay ended\""));
    let id = relay.detached("p").await;
    let mut reader = relay.get(&format!("/streams/{id}?live=raw")).await;
    reader.until(10).await;
    let client = relay.client.clone();
    let ending = tokio::spawn(relay.stop());
    // Until it accepts nothing new.
    while let Ok(ready) = client.ready().await {
        let request = Request {
            method: Method::Get,
            target: "/readyz".into(),
            headers: Headers::new(),
            body: Body::Bytes(Bytes::new()),
        };
        if ready.send(request).await.map_or(503, |answer| answer.status) == 503 {
            break;
        }
    }
    server.open("go");
    assert!(reader.text().await.contains("\"done\":true"));
    let report = soon(ending).await.unwrap();
    assert_eq!((report.running, report.cut), (1, 0));
}

/// Readers that were cut reconnect, and their owner can cancel running answers.
#[tokio::test(flavor = "multi_thread")]
async fn while_it_drains_it_accepts_connections_and_refuses_new_work_only() {
    let server = stalling();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&server.url());
    config.times.drain = crate::support::SOON;
    config.listen.push(towline_relay::Listen::Unix(folder.path().join("relay.sock")));
    let relay = Relay::start(config).await;
    let (paused, cancelled) = (relay.detached("p").await, relay.detached("m").await);
    let named = [("towline-request-id", "known"), ("towline-detach", "true")];
    let known = relay.post("/api/chat", &named, &chat("m")).await.json().await["id"].clone();
    let endpoint = relay.endpoint.clone();
    // Each uses its own connection.
    let asks = async |method, target: &str, headers: &[(&str, &str)], body: &str| {
        let client = towline::Client::with_config(endpoint.clone(), towline::Config::default()).unwrap();
        ask(&client, method, target, headers, body).await
    };
    let ending = tokio::spawn(relay.stop());
    while asks(Method::Get, "/readyz", &[], "").await.status != 503 {}
    let why = asks(Method::Get, "/readyz", &[], "").await.text().await;
    assert_eq!(why, "not ready: the relay is draining\n");

    for path in ["/api/chat", "/api/embed", "/api/copy"] {
        let refused = asks(Method::Post, path, &[], &chat("x")).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{path}");
    }
    let retried = asks(Method::Post, &format!("/towline/v1/jobs/{cancelled}/retry"), &[], "").await;
    assert_eq!((retried.status, retried.header("retry-after")), (503, "1"));
    // It is no new work.
    let mut again = asks(Method::Post, "/api/chat", &named, &chat("m")).await;
    assert_eq!(again.json().await["id"], known);
    for path in ["/healthz", "/towline/v1/jobs", "/api/version"] {
        assert_ne!(asks(Method::Get, path, &[], "").await.status, 503, "{path}");
    }

    let mut watch = asks(Method::Get, "/towline/v1/jobs?watch=true", &[], "").await;
    let mut reader = asks(Method::Get, &format!("/streams/{paused}?live=raw"), &[], "").await;
    reader.until(10).await;
    for id in [&cancelled, known.as_str().unwrap()] {
        let target = format!("/towline/v1/jobs/{id}/cancel");
        assert_eq!(asks(Method::Post, &target, &[], "{}").await.status, 202);
    }
    let has_reported = |watch: &crate::support::Answer, state: &str| {
        let is_so = |line: &[u8]| {
            let line: Value = serde_json::from_slice(line).unwrap_or_default();
            line["id"] == cancelled.as_str() && line["state"] == state
        };
        watch.read.split(|byte| *byte == b'\n').any(is_so)
    };
    while !has_reported(&watch, "cancelled") {
        assert!(watch.more().await.unwrap());
    }
    server.open("go");
    assert!(reader.text().await.contains("\"done\":true"));
    let report = soon(ending).await.unwrap();
    assert_eq!((report.running, report.cut), (3, 0));
    // The last known state of each was reported.
    while watch.more().await.is_ok_and(|more| more) {}
    assert!(!folder.path().join("relay.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_only_be_ended_over_its_own_socket() {
    let server = stalling();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&server.url());
    config.listen.insert(0, towline_relay::Listen::Unix(folder.path().join("relay.sock")));
    let relay = Relay::start(config).await;
    let version = relay.get("/towline/v1/version").await.json().await;
    let tcp = version["listen"][1].as_str().unwrap();
    let client = towline::Client::new(&format!("http://{tcp}")).unwrap();
    assert_eq!(ask(&client, Method::Post, "/towline/v1/shutdown", &[], "").await.status, 403);
    assert_eq!(relay.post("/towline/v1/shutdown", &[], "").await.status, 202);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_read_again_while_it_runs() {
    let server = stalling();
    let mut config = config(&server.url());
    config.tokens = vec![Token::new("ann", "ann's-long-secret")];
    let bound = towline_relay::Server::bind(config.clone()).await.unwrap();
    let reloader = bound.reloader();
    let relay = Relay::run(bound);
    let status = async |secret: &str| {
        let bearer = format!("Bearer {secret}");
        ask(&relay.client, Method::Get, "/towline/v1/jobs", &[("authorization", &bearer)], "").await.status
    };
    assert_eq!(status("ann's-long-secret").await, 200);
    config.tokens = vec![Token::new("ann", "ann's-other-secret")];
    reloader.reload(&config).unwrap();
    assert_eq!((status("ann's-long-secret").await, status("ann's-other-secret").await), (401, 200));
    config.tokens.push(Token::new("bob", "short"));
    assert!(reloader.reload(&config).unwrap_err().to_string().contains("bob"));
    assert_eq!(status("ann's-other-secret").await, 200, "a mistake changes nothing");
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_does_not_relay_to_itself() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{free}"), format!("http://localhost:{}", free.port())] {
        let mut config = config(&url);
        config.listen = vec![towline_relay::Listen::Tcp(free)];
        let error = towline_relay::Server::bind(config).await.unwrap_err().to_string();
        assert!(error.contains("is this relay itself"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_has_so_many_readers_at_most() {
    let server = stalling();
    let mut config = config(&server.url());
    config.limits.readers = 2;
    let relay = Relay::start(config).await;
    let put = ask(&relay.client, Method::Put, "/streams/x", &[("content-type", "text/plain")], "abc").await;
    assert_eq!(put.status, 201);
    let answer = relay.detached("m").await;
    for target in ["/streams/x?live=raw".to_owned(), format!("/streams/{answer}?live=raw")] {
        let (first, second) = (relay.get(&target).await, relay.get(&target).await);
        assert_eq!((first.status, second.status), (200, 200));
        let mut refused = relay.get(&target).await;
        assert_eq!(refused.status, 429, "{target}");
        assert!(refused.text().await.contains("limits.readers"), "{target}");
        drop(first);
        soon(async { while relay.get(&target).await.status != 200 {} }).await;
    }
    assert_eq!(order(&relay, &answer, "cancel", json!({})).await.0, 202);
    relay.ended(&answer).await;
    relay.stop().await;
}
