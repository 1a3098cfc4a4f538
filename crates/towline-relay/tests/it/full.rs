//! A full store, and owners with much data.

use towline_core::http1::Method;
use towline_relay::{Token, WhenFull};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, chat, config, on_disk, until_gone};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_or_passes_on_and_deletes() {
    let records = ollama::chat(&["x"]);
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let folder = tempfile::tempdir().unwrap();
    let with_room = on_disk(config(&server.url()), folder.path());
    let relay = Relay::start(with_room.clone()).await;
    let id = relay.detached("m").await;
    relay.ended(&id).await;
    relay.stop().await;

    let mut full = with_room.clone();
    full.store.reserve = u64::MAX;
    let relay = Relay::start(full.clone()).await;
    let mut refused = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (507, "5"));
    assert!(refused.text().await.contains("less than store.reserve free"));
    let put = ask(&relay.client, Method::Put, "/streams/x", &[("content-type", "text/plain")], "abc").await;
    assert_eq!(put.status, 507);
    let mut ready = relay.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().await.contains("the disk of the store is full"));
    assert!(relay.get("/metrics").await.text().await.contains("towline_relay_store_full 1\n"));
    assert_eq!(relay.log(&id).await, lines, "what was acknowledged is there");
    assert_eq!(relay.delete(&format!("/streams/{id}")).await.status, 204);
    relay.stop().await;

    full.store.full = WhenFull::Pass;
    let relay = Relay::start(full).await;
    let mut passed = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!((passed.status, passed.header("towline-stream")), (200, ""));
    assert_eq!(passed.text().await, lines);
    assert_eq!(relay.post("/api/chat", &[("towline-detach", "true")], &chat("m")).await.status, 507);
    relay.stop().await;

    let relay = Relay::start(with_room).await;
    assert_eq!(relay.get(&format!("/streams/{id}")).await.status, 404, "it was deleted");
    relay.ended(&relay.detached("m").await).await;
    relay.stop().await;
}

/// Two owners, who do not affect each other.
fn two_owners(url: &str) -> towline_relay::Config {
    let mut config = config(url);
    config.tokens = vec![Token::new("ann", "ann's-long-secret"), Token::new("bob", "bob's-long-secret")];
    config
}

const ANN: (&str, &str) = ("authorization", "Bearer ann's-long-secret");
const BOB: (&str, &str) = ("authorization", "Bearer bob's-long-secret");

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_leaves_places_to_run_and_to_wait_to_others() {
    let routes = Routes::new()
        .model("hang", Script::ndjson_open([ollama::chat_text("x")]).stall())
        .model("m", Script::ndjson(ollama::chat(&["x"])));
    let server = Server::start(routes);
    let mut config = two_owners(&server.url());
    (config.limits.running, config.limits.queued) = (2, 4);
    let relay = Relay::start(config).await;
    let detach = ("towline-detach", "true");
    for expected in [202, 202, 202, 429] {
        let asked = relay.post("/api/chat", &[ANN, detach], &chat("hang")).await;
        assert_eq!(asked.status, expected);
    }
    let mut bobs = relay.post("/api/chat", &[BOB], &chat("m")).await;
    assert_eq!(bobs.status, 200);
    assert!(bobs.text().await.contains("\"done\":true"));
    for job in ask(&relay.client, Method::Get, "/towline/v1/jobs", &[ANN], "").await.json().await["jobs"]
        .as_array()
        .unwrap()
    {
        let target = format!("/towline/v1/jobs/{}", job["id"].as_str().unwrap());
        assert_eq!(ask(&relay.client, Method::Delete, &target, &[ANN], "").await.status, 204);
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_who_has_most_make_way() {
    let long = "x".repeat(10_000);
    let routes = Routes::new()
        .model("long", Script::ndjson(ollama::chat(&[&long])))
        .model("m", Script::ndjson(ollama::chat(&["x"])));
    let server = Server::start(routes);
    let mut config = two_owners(&server.url());
    config.retention.bytes = 25_000;
    let relay = Relay::start(config).await;
    let record = async |owner: (&str, &str), model: &str| {
        let mut answer = relay.post("/api/chat", &[owner], &chat(model)).await;
        let id = answer.header("towline-stream").to_owned();
        answer.text().await;
        format!("/streams/{id}")
    };
    let bobs = record(BOB, "m").await;
    let mut anns = Vec::new();
    for _ in 0..4 {
        anns.push(record(ANN, "long").await);
    }
    let status =
        async |owner, target: &str| ask(&relay.client, Method::Get, target, &[owner], "").await.status;
    until_gone(&relay.client, &anns[1], &[ANN]).await;
    assert_eq!(status(ANN, &anns[0]).await, 404);
    assert_eq!((status(ANN, &anns[2]).await, status(ANN, &anns[3]).await), (200, 200));
    assert_eq!(status(BOB, &bobs).await, 200);
    let headers = [ANN, ("content-type", "text/plain")];
    let mut refused = ask(&relay.client, Method::Put, "/streams/w", &headers, &"y".repeat(20_000)).await;
    assert_eq!(refused.status, 507, "half of what is kept");
    assert!(refused.text().await.contains("limits.share of keep.bytes"));
    assert_eq!(status(BOB, &bobs).await, 200);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_answers_make_place_for_new_ones() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["x"]))));
    let mut config = config(&server.url());
    config.limits.streams = 3;
    let relay = Relay::start(config).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = relay.detached("m").await;
        relay.ended(&id).await;
        ids.push(id);
    }
    let listed = relay.get("/towline/v1/jobs").await.json().await;
    let listed: Vec<&str> =
        listed["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(listed, ids[2..]);
    let page = relay.get(&format!("/towline/v1/jobs?limit=1&after={}", ids[2])).await.json().await;
    assert_eq!(
        (page["jobs"].as_array().unwrap().len(), &page["jobs"][0]["id"]),
        (1, &ids[3].as_str().into())
    );
    assert_eq!(relay.get("/towline/v1/jobs?limit=0").await.status, 400);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_names_have_bounds_in_all() {
    let server = Server::start(Routes::new().model("hang", Script::ndjson_open([""; 0]).stall()));
    let mut config = config(&server.url());
    (config.limits.running, config.limits.bodies_bytes) = (1, 1000);
    let relay = Relay::start(config).await;
    let mut refused = relay.post("/api/chat", &[], &chat(&"m".repeat(990))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert!(refused.text().await.contains("limits.bodies"));
    let running = relay.detached("hang").await;
    let long = format!(r#"{{"model":"hang","messages":[],"x":"{}"}}"#, "y".repeat(800));
    let detach = ("towline-detach", "true");
    let mut waits = relay.post("/api/chat", &[detach], &long).await;
    let waiting = waits.json().await["id"].as_str().unwrap().to_owned();
    // The body of a queued request counts until it is sent.
    assert_eq!(relay.post("/api/chat", &[detach], &long).await.status, 503);
    for id in [waiting, running] {
        assert_eq!(relay.delete(&format!("/towline/v1/jobs/{id}")).await.status, 204);
    }
    relay.stop().await;
}
