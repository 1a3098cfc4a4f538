//! Several relays on one Redis server: any of them answers every request.

mod cluster;
mod death;
mod proxy;
mod redis;
mod rounds;
mod streams;

use serde_json::{Value, json};
use towline::Client;
use towline_core::http1::Method;
use towline_relay::{Config, Server, Store, StoreConfig, Token};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server as Upstream};

use crate::support::{Answer, Relay, ask, chat, config, soon, stop_all};
use redis::Redis;

fn shared(config: Config, store: &str) -> Config {
    let place: Store = store.parse().unwrap();
    Config { store: StoreConfig { place, ..StoreConfig::default() }, ..config }
}

async fn relay(redis: &Redis, upstream: &Upstream) -> Relay {
    Relay::start(shared(config(&upstream.url()), &redis.url())).await
}

/// A store, a model server, and two relays.
async fn two_relays() -> (Redis, Upstream, Relay, Relay) {
    let (redis, upstream) = (Redis::start(), upstream());
    let (a, b) = (relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    (redis, upstream, a, b)
}

fn upstream() -> Upstream {
    let text = ollama::chat_text("Hel");
    let gated = Script::ndjson_open([&text]).wait("go").lines(ollama::chat(&["lo"])).end_chunks();
    let twice = Script::ndjson_open([&text]).wait("more").line(&text).wait("go");
    let twice = twice.lines(ollama::chat(&["lo"])).end_chunks();
    Upstream::start(
        Routes::new()
            .model("gated", gated)
            .model("twice", twice)
            .model("stalling", Script::ndjson_open([&text]).stall())
            .model("short", Script::ndjson(ollama::chat(&["x"]))),
    )
}

/// The length of the first line of the answers above.
fn first() -> usize {
    ollama::chat_text("Hel").len() + 1
}

async fn order(relay: &Relay, id: &str, order: &str, body: Value) -> (u16, Value) {
    let mut answer = relay.post(&format!("/towline/v1/jobs/{id}/{order}"), &[], &body.to_string()).await;
    (answer.status, answer.json().await)
}

/// Asks the model until the store behind the relay answers: a request that cannot be recorded is refused with 503.
pub(crate) async fn taken(client: &Client, headers: &[(&str, &str)], model: &str) -> Answer {
    soon(async {
        loop {
            let answer = ask(client, Method::Post, "/api/chat", headers, &chat(model)).await;
            if answer.status != 503 {
                return answer;
            }
        }
    })
    .await
}

/// The job at a relay, once it satisfies a condition.
async fn until(relay: &Relay, id: &str, is_reached: impl Fn(&Value) -> bool) -> Value {
    soon(async {
        loop {
            let job = relay.get(&format!("/towline/v1/jobs/{id}")).await.json().await;
            if is_reached(&job) {
                return job;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_read_listed_and_resumed_at_any_relay() {
    let (redis, upstream) = (Redis::start(), upstream());
    let (a, b, c) =
        (relay(&redis, &upstream).await, relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    let job = until(&c, &id, |job| job["state"] == "streaming").await;
    assert_eq!((&job["model"], &job["records"]), (&json!("gated"), &json!(1)), "{job}");
    let half = c.get(&format!("/streams/{id}?offset=-1")).await;
    assert_eq!(half.header("stream-up-to-date"), "true");
    let offset = half.header("stream-next-offset").to_owned();
    upstream.open("go");
    let whole = tail.bytes().await;
    assert_eq!(a.ended(&id).await["state"], "completed");
    assert_eq!(c.ended(&id).await["state"], "completed");
    for relay in [&a, &b, &c] {
        assert_eq!(relay.log(&id).await.as_bytes(), whole);
        let rest = relay.get(&format!("/streams/{id}?offset={offset}")).await.bytes().await;
        assert_eq!(rest, whole[first()..], "resumed");
    }
    let again = b.post(&format!("/towline/v1/jobs/{id}/retry"), &[], "").await.json().await;
    let again = again["id"].as_str().unwrap().to_owned();
    assert_eq!(c.ended(&again).await["retry_of"], id.as_str());
    assert_eq!(a.log(&again).await.as_bytes(), whole);
    // A relay that starts later knows it too; a removal applies to all.
    let d = relay(&redis, &upstream).await;
    assert_eq!(d.log(&id).await.as_bytes(), whole);
    assert_eq!(d.delete(&format!("/streams/{id}")).await.status, 204);
    for relay in [&a, &b, &c] {
        assert_eq!(relay.get(&format!("/streams/{id}")).await.status, 404);
    }
    assert_eq!(upstream.requests().len() - health_checks(&upstream), 2);
    stop_all([a, b, c, d]).await;
}

/// Requests with which the relays check whether the model server answers.
fn health_checks(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.target != "/api/chat").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_reach_the_relay_that_runs_the_answer() {
    let (_redis, _upstream, a, b) = two_relays().await;
    let id = a.detached("stalling").await;
    until(&b, &id, |job| job["state"] == "streaming").await;
    assert_eq!(order(&b, &id, "pause", json!({})).await.0, 200);
    until(&a, &id, |job| job["state"] == "paused").await;
    until(&b, &id, |job| job["state"] == "paused").await;
    assert_eq!(order(&b, &id, "unpause", json!({})).await.0, 200);
    until(&a, &id, |job| job["state"] == "streaming").await;
    assert_eq!(order(&b, &id, "deadline", json!({"in_s": 500})).await.0, 200);
    until(&a, &id, |job| job["deadline_s"].as_f64().is_some_and(|left| left > 400.0)).await;
    assert_eq!(order(&b, &id, "rename", json!({"name": "mine"})).await.0, 202);
    until(&a, "mine", |job| job["id"] == id.as_str()).await;
    until(&b, "mine", |job| job["id"] == id.as_str()).await;
    assert_eq!(order(&b, &id, "cancel", json!({"reason": "enough"})).await.0, 202);
    let job = b.ended(&id).await;
    assert_eq!(
        (&job["state"], &job["cause"], &job["name"]),
        (&json!("cancelled"), &json!("enough"), &json!("mine"))
    );
    assert_eq!(a.log(&id).await, b.log(&id).await);
    let id = b.detached("stalling").await;
    assert_eq!(order(&a, &id, "deadline", json!({"in_s": 0.01})).await.0, 200);
    assert_eq!(a.ended(&id).await["state"], "timed_out");
    let id = b.detached("stalling").await;
    assert_eq!(a.delete(&format!("/towline/v1/jobs/{id}")).await.status, 204);
    assert_eq!(b.get(&format!("/towline/v1/jobs/{id}")).await.status, 404);
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_obeyed_in_the_order_in_which_they_were_given() {
    let (redis, upstream) = (Redis::start(), upstream());
    let (a, b, c) =
        (relay(&redis, &upstream).await, relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    let id = a.detached("stalling").await;
    for relay in [&a, &b, &c] {
        until(relay, &id, |job| job["state"] == "streaming").await;
    }
    for round in 0..10 {
        for (relay, what) in [(&b, "pause"), (&c, "unpause"), (&b, "unpause"), (&a, "pause")] {
            assert_eq!(order(relay, &id, what, json!({})).await.0, 200);
        }
        // A later order has arrived, so these have too.
        let far = 1000 * (round + 2);
        assert_eq!(order(&b, &id, "deadline", json!({"in_s": far})).await.0, 200);
        let is_there =
            |job: &Value| job["deadline_s"].as_f64().is_some_and(|left| left > f64::from(far - 900));
        assert_eq!(until(&a, &id, is_there).await["state"], "paused");
        assert_eq!(order(&c, &id, "unpause", json!({})).await.0, 200);
        until(&a, &id, |job| job["state"] == "streaming").await;
    }
    // Each moves the deadline by its own time, from its current value.
    for relay in [&b, &c, &a] {
        assert_eq!(order(relay, &id, "deadline", json!({"extend_s": 100_000})).await.0, 200);
    }
    let job = until(&a, &id, |job| job["deadline_s"].as_f64().is_some_and(|left| left > 210_000.0)).await;
    assert!(job["deadline_s"].as_f64().unwrap() > 309_000.0, "{job}");
    assert_eq!(order(&b, &id, "cancel", json!({})).await.0, 202);
    assert_eq!(a.ended(&id).await["state"], "cancelled");
    stop_all([a, b, c]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_store_does_not_take_is_refused() {
    let (redis, _upstream, a, b) = two_relays().await;
    let id = a.detached("stalling").await;
    until(&b, &id, |job| job["state"] == "streaming").await;
    redis.say("ACL SETUSER default -xadd");
    assert_eq!(order(&b, &id, "pause", json!({})).await.0, 503);
    redis.say("ACL SETUSER default +xadd");
    assert_eq!(order(&b, &id, "cancel", json!({})).await.0, 202);
    assert_eq!(a.ended(&id).await["state"], "cancelled");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_runs_once_whichever_relays_it_comes_to() {
    let (_redis, upstream, a, b) = two_relays().await;
    for round in 0..10 {
        let id = format!("request-{round}");
        let headers = [("towline-request-id", id.as_str()), ("towline-detach", "true")];
        let body = chat("short");
        let (mut one, mut other) =
            tokio::join!(a.post("/api/chat", &headers, &body), b.post("/api/chat", &headers, &body));
        let (one, other) = (one.json().await, other.json().await);
        assert!(one["id"].is_string(), "{one}");
        assert_eq!(one["id"], other["id"]);
        let another = b.post("/api/chat", &headers, &chat("gated")).await;
        assert_eq!(another.status, 422);
        // The request was for an ended answer.
        a.ended(one["id"].as_str().unwrap()).await;
    }
    let asked = upstream.requests();
    assert_eq!(asked.iter().filter(|request| request.target == "/api/chat").count(), 10);
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_another_relay_has_meanwhile_is_not_answered_twice() {
    let (redis, upstream) = (Redis::start(), upstream());
    let relay = relay(&redis, &upstream).await;
    // The relay cannot write, because it cannot load its script again.
    redis.say("ACL SETUSER default -script");
    redis.say("CLIENT KILL TYPE normal");
    while relay.get("/readyz").await.status != 200 {
        tokio::task::yield_now().await;
    }
    let headers = [("towline-request-id", "one"), ("towline-detach", "true")];
    let body = chat("short");
    let another_has_it = async {
        // Its reservation expires, and another relay starts an answer.
        while !redis.say("GET {towline}:asked:local:one").contains("relay 1") {
            tokio::task::yield_now().await;
        }
        redis.say("SET {towline}:asked:local:one 77");
        redis.say("ACL SETUSER default +script");
    };
    let (answer, ()) = tokio::join!(relay.post("/api/chat", &headers, &body), soon(another_has_it));
    assert_eq!(answer.status, 503);
    assert!(redis.say("GET {towline}:asked:local:one").contains("77"));
    assert!(redis.say("SCARD {towline}:all").starts_with(":0"));
    assert_eq!(upstream.requests().len() - health_checks(&upstream), 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lives_as_long_as_it_has_a_reader_at_any_relay() {
    let (_redis, _upstream, a, b) = two_relays().await;
    let mut reader = a.post("/api/chat", &[], &chat("gated")).await;
    reader.until(first()).await;
    let id = reader.header("towline-stream").to_owned();
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    until(&a, &id, |job| job["readers"] == 2).await;
    drop(reader);
    until(&a, &id, |job| job["readers"] == 1).await;
    drop(tail);
    assert_eq!(a.ended(&id).await["state"], "cancelled");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_count_at_all_relays() {
    let (redis, upstream) = (Redis::start(), upstream());
    let token = Token { requests_per_minute: Some(2), ..Token::new("ann", "0123456789abcdef") };
    let config = Config { tokens: vec![token], ..shared(config(&upstream.url()), &redis.url()) };
    let (a, b) = (Relay::start(config.clone()).await, Relay::start(config).await);
    let headers = [("authorization", "Bearer 0123456789abcdef"), ("towline-detach", "true")];
    let body = chat("short");
    assert_eq!(a.post("/api/chat", &headers, &body).await.status, 202);
    let seen = ask(&b.client, Method::Get, "/towline/v1/jobs", &headers, "").await.json().await;
    assert_eq!(seen["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(b.post("/api/chat", &headers, &body).await.status, 202);
    assert_eq!(b.post("/api/chat", &headers, &body).await.status, 429);
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_what_other_relays_do() {
    let (_redis, _upstream, a, b) = two_relays().await;
    let mut watch = b.get("/towline/v1/jobs?watch=true").await;
    let id = a.detached("short").await;
    let has_reported = |read: &[u8], word: &str| {
        let lines = String::from_utf8_lossy(read).into_owned();
        lines.lines().any(|line| line.contains(&id) && line.contains(word))
    };
    while !has_reported(&watch.read, "\"completed\"") {
        watch.more().await.unwrap();
    }
    a.delete(&format!("/streams/{id}")).await;
    while !has_reported(&watch.read, "\"removed\"") {
        watch.more().await.unwrap();
    }
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_spoken_to_over_tls_and_only_with_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let (file, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let tls = ["--tls-cert-file", file, "--tls-key-file", key, "--tls-ca-cert-file", file];
    let redis = Redis::start_over_tls(&[&tls[..], &["--tls-auth-clients", "no"]].concat());
    let upstream = upstream();
    let url = format!("rediss://localhost:{}", redis.port);
    let mut config = shared(config(&upstream.url()), &url);
    let error = Server::bind(config.clone()).await.unwrap_err();
    assert!(matches!(error, towline_relay::Error::Shared { .. }), "{error}");
    config.store.ca = Some(certificate);
    let relay = Relay::start(config).await;
    let id = relay.detached("short").await;
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

/// Why a store cannot be used; empty if it can.
async fn refusal(store: &str, upstream: &Upstream) -> String {
    let failed = Server::bind(shared(config(&upstream.url()), store)).await.err();
    let mut error = failed.as_ref().map(|failed| failed as &dyn std::error::Error);
    let mut said = Vec::new();
    while let Some(one) = error {
        said.push(one.to_string());
        error = one.source();
    }
    said.join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_named_with_the_reason() {
    let redis = Redis::start_with(&["--requirepass", "hush"]);
    let upstream = upstream();
    let bind = async |url: &str| refusal(url, &upstream).await;
    let port = redis.port;
    assert_eq!(bind(&format!("redis://:hush@127.0.0.1:{port}")).await, "");
    let said = bind(&redis.url()).await;
    assert!(said.starts_with("the shared store cannot be used: Redis refused: NOAUTH"), "{said}");
    let said = bind(&format!("redis://:wrong@127.0.0.1:{port}")).await;
    assert!(said.contains("Redis refused: WRONGPASS") && !said.contains(":wrong"), "{said}");
    let renamed = Redis::start_with(&["--rename-command", "AUTH", "LOGIN"]);
    let said = bind(&format!("redis://:hush@127.0.0.1:{}", renamed.port)).await;
    assert!(said.contains("Redis refused: ERR (") && !said.contains("hush"), "{said}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"hush\n").unwrap();
    let mut config = shared(config(&upstream.url()), &redis.url());
    config.store.password_file = Some(file.path().to_owned());
    Server::bind(config).await.unwrap();
    let other = Upstream::start(Script::new().send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let said = bind(&other.url().replace("http", "redis")).await;
    assert!(said.contains("is not a Redis"), "{said}");
    drop(redis);
    let said = bind(&format!("redis://:hush@127.0.0.1:{port}")).await;
    assert!(said.contains("cannot be reached") && !said.contains("hush"), "{said}");
}

/// The size of all keys except the journal, which has its own limit.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_two_kilobytes_takes_at_most_twice_as_much_in_redis() {
    let words = [" of the"; 15];
    let upstream = Upstream::start(Routes::new().model("m", Script::ndjson(ollama::chat(&words))));
    let redis = Redis::start();
    let relay = relay(&redis, &upstream).await;
    let (mut bytes, answers) = (0, 20);
    for _ in 0..answers {
        let id = relay.detached("m").await;
        relay.ended(&id).await;
        bytes += relay.log(&id).await.len();
    }
    let sum = "local sum = 0 for _, key in ipairs(redis.call('KEYS', '{towline}:*')) do \
               if key ~= '{towline}:journal' then sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end end \
               return sum";
    let said = redis.say(&format!("EVAL \"{sum}\" 0"));
    let kept: usize = said.lines().find_map(|line| line.strip_prefix(':')?.parse().ok()).unwrap();
    assert!((2000..2200).contains(&(bytes / answers)), "{bytes}");
    assert!(kept <= 2 * bytes, "{kept} for {bytes}");
    relay.stop().await;
}
