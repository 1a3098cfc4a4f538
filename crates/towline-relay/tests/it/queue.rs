//! Jobs beyond those that may run at once wait for their turn.

use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, chat, config, on_disk, soon};

/// The models `a` to `d`, each of which ends when the gate with its name opens, and a relay that runs one answer at a time.
async fn one_at_a_time(queued: usize) -> (Server, Relay) {
    let gated =
        |name: &str| Script::ndjson_open([""; 0]).wait(name).lines(ollama::chat(&[name])).end_chunks();
    let models = ["a", "b", "c", "d"];
    let server = Server::start(models.iter().fold(Routes::new(), |all, name| all.model(name, gated(name))));
    let mut config = config(&server.url());
    (config.limits.running, config.limits.queued) = (1, queued);
    let relay = Relay::start(config).await;
    (server, relay)
}

async fn state(relay: &Relay, id: &str) -> String {
    let job = relay.get(&format!("/towline/v1/jobs/{id}")).await.json().await;
    job["state"].as_str().unwrap().to_owned()
}

/// Waits until the model server was asked for this model.
async fn asked(server: &Server, model: &str) {
    let is_asked =
        || server.requests().iter().any(|request| request.json().is_some_and(|body| body["model"] == model));
    soon(async {
        while !is_asked() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn models_asked(server: &Server) -> Vec<String> {
    let bodies = server.requests().into_iter().filter_map(|request| request.json());
    bodies.filter_map(|body| Some(body["model"].as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_in_the_order_in_which_they_came() {
    let (server, relay) = one_at_a_time(3).await;
    let mut ids = Vec::new();
    for model in ["a", "b", "c", "d"] {
        ids.push(relay.detached(model).await);
    }
    asked(&server, "a").await;
    for id in &ids[1..] {
        assert_eq!(state(&relay, id).await, "queued");
    }
    let running = relay.get("/towline/v1/jobs?state=running").await.json().await;
    assert_eq!(running["jobs"].as_array().unwrap().len(), 4, "one that waits has not ended");
    let metrics = relay.get("/metrics").await.text().await;
    assert!(metrics.contains("towline_relay_running 1\n") && metrics.contains("towline_relay_queued 3\n"));
    assert_eq!(relay.post("/api/chat", &[], &chat("a")).await.status, 429, "there is no place to wait");
    assert_eq!(models_asked(&server), ["a"], "those that wait cost the model server nothing");
    for (model, id) in ["a", "b", "c", "d"].iter().zip(&ids) {
        asked(&server, model).await;
        server.open(model);
        assert_eq!(relay.ended(id).await["state"], "completed");
    }
    assert_eq!(models_asked(&server), ["a", "b", "c", "d"]);
    let metrics = relay.get("/metrics").await.text().await;
    assert!(metrics.contains("towline_relay_queued 0\n"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_is_cancelled_and_timed_out_without_a_request() {
    let (server, relay) = one_at_a_time(2).await;
    let first = relay.detached("a").await;
    asked(&server, "a").await;
    let second = relay.detached("b").await;
    let headers = [("towline-detach", "true"), ("towline-deadline", "0.02")];
    let mut third = relay.post("/api/chat", &headers, &chat("c")).await;
    let third = third.json().await["id"].as_str().unwrap().to_owned();
    assert_eq!(relay.ended(&third).await["state"], "timed_out");
    let mut cancelled = relay.post(&format!("/towline/v1/jobs/{second}/cancel"), &[], "{}").await;
    assert_eq!(cancelled.status, 202);
    assert_eq!(cancelled.json().await["id"], *second);
    assert_eq!(relay.ended(&second).await["state"], "cancelled");
    assert!(relay.log(&second).await.contains("cancelled: by request"));
    // Their permits are free again.
    let fourth = relay.detached("d").await;
    server.open("a");
    assert_eq!(relay.ended(&first).await["state"], "completed");
    server.open("d");
    assert_eq!(relay.ended(&fourth).await["state"], "completed");
    assert_eq!(models_asked(&server), ["a", "d"]);
    relay.stop().await;
}

/// A plain client waits as with a busy Ollama; when it disconnects, it leaves the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_client_waits_for_its_turn() {
    let (server, relay) = one_at_a_time(1).await;
    let first = relay.detached("a").await;
    asked(&server, "a").await;
    let (second, ()) = tokio::join!(
        async {
            let mut answer = relay.post("/api/chat", &[], &chat("b")).await;
            answer.text().await
        },
        async {
            soon(async {
                while !relay.get("/metrics").await.text().await.contains("towline_relay_queued 1\n") {}
            })
            .await;
            server.open("b");
            server.open("a");
        }
    );
    assert!(second.contains("\"done\":true"));
    assert_eq!(relay.ended(&first).await["state"], "completed");
    relay.stop().await;
}

/// A detached chat of the group `g`, of which `running` run at once; its id.
async fn grouped(relay: &Relay, running: &str, model: &str) -> String {
    let headers = [("towline-detach", "true"), ("towline-group", "g"), ("towline-group-running", running)];
    let mut answer = relay.post("/api/chat", &headers, &chat(model)).await;
    assert_eq!(answer.status, 202);
    answer.json().await["id"].as_str().unwrap().to_owned()
}

async fn job(relay: &Relay, id: &str) -> serde_json::Value {
    relay.get(&format!("/towline/v1/jobs/{id}")).await.json().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_a_limit_and_a_list_of_its_own() {
    let (server, relay) = one_at_a_time(3).await;
    let mut config = config(&server.url());
    config.limits.running = 3;
    relay.stop().await;
    let relay = Relay::start(config).await;
    let first = grouped(&relay, "1", "a").await;
    asked(&server, "a").await;
    let second = grouped(&relay, "1", "b").await;
    let question = relay.detached("c").await;
    asked(&server, "c").await;
    let waiting = job(&relay, &second).await;
    assert_eq!((&waiting["state"], &waiting["sent"]), (&"queued".into(), &false.into()));
    assert_eq!(job(&relay, &first).await["sent"], true);
    let listed = relay.get("/towline/v1/jobs?group=g").await.json().await;
    let ids: Vec<&str> =
        listed["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&first, &second]);
    server.open("a");
    asked(&server, "b").await;
    for model in ["b", "c"] {
        server.open(model);
    }
    for id in [&first, &second, &question] {
        let ended = relay.ended(id).await;
        assert_eq!((&ended["state"], &ended["sent"]), (&"completed".into(), &true.into()));
    }
    for headers in [
        [("towline-group-running", "2"), ("x", "x")],
        [("towline-group", "g"), ("towline-group-running", "0")],
    ] {
        assert_eq!(relay.post("/api/chat", &headers, &chat("a")).await.status, 400, "{headers:?}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_a_limit_of_its_own() {
    let (server, relay) = one_at_a_time(3).await;
    relay.stop().await;
    let mut config = config(&server.url());
    config.upstreams[0].running = Some(1);
    let relay = Relay::start(config).await;
    let (first, second) = (relay.detached("a").await, relay.detached("b").await);
    asked(&server, "a").await;
    assert_eq!(state(&relay, &second).await, "queued");
    server.open("a");
    asked(&server, "b").await;
    server.open("b");
    for id in [&first, &second] {
        assert_eq!(relay.ended(id).await["state"], "completed");
    }
    // Only a user's own relay accepts a limit.
    let headers = [("towline-server", "one"), ("towline-server-running", "1")];
    assert_eq!(relay.post("/api/chat", &headers, &chat("a")).await.status, 403);
    relay.stop().await;
}

/// A request that was not sent because the relay ended can be retried, and its record says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_before_the_relay_ended_says_so() {
    let (server, relay) = one_at_a_time(3).await;
    relay.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let mut first_life = on_disk(config(&server.url()), folder.path());
    first_life.times.drain = std::time::Duration::ZERO;
    let relay = Relay::start(first_life).await;
    let (running, waiting) = (grouped(&relay, "1", "a").await, grouped(&relay, "1", "b").await);
    asked(&server, "a").await;
    relay.stop().await;
    let relay = Relay::start(on_disk(config(&server.url()), folder.path())).await;
    for (id, sent, cause) in [
        (&running, true, "the relay ended"),
        (&waiting, false, "the relay ended before the request was sent"),
    ] {
        let job = job(&relay, id).await;
        assert_eq!(
            (&job["state"], &job["sent"], &job["cause"]),
            (&"interrupted".into(), &sent.into(), &cause.into())
        );
    }
    assert_eq!(models_asked(&server), ["a"]);
    relay.stop().await;
}
