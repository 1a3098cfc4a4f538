//! The relay, as plain clients of Ollama and OpenAI see it.

use serde_json::Value;
use tokio::net::TcpListener;
use towline::client::Endpoint;
use towline_relay::{Listen, UpstreamApi, UpstreamConfig};
use towline_testkit::ports::Refusing;
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, SOON, ask, chat, config, soon, upstream};
use towline_core::http1::Method;

fn lines(records: &[String]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_byte_for_byte_and_is_recorded() {
    let records = ollama::chat(&["Hel", "lo", " ä\u{2028}!"]);
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let relay = Relay::start(config(&server.url())).await;
    for client in [relay.client.clone(), relay.http2()] {
        let mut answer = ask(&client, Method::Post, "/api/chat", &[], &chat("m")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
        let id = answer.header("towline-stream").to_owned();
        assert_eq!(answer.text().await, lines(&records));
        assert_eq!(relay.log(&id).await, lines(&records));
        let job = relay.ended(&id).await;
        assert_eq!(job["state"], "completed");
        assert_eq!(job["records"], 4);
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_ends_in_an_error_record() {
    let text = ollama::chat_text("Hel");
    let routes = Routes::new()
        .model("clean", Script::ndjson([&text]))
        .model("cut", Script::ndjson_open([&text]).close())
        .model("half", Script::ndjson_open([&text]).chunk("{\"mod").close())
        .model("reset", Script::ndjson_open([&text]).reset());
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    for (model, outcome) in
        [("clean", "truncated"), ("cut", "truncated"), ("half", "truncated"), ("reset", "failed")]
    {
        let mut answer = relay.post("/api/chat", &[], &chat(model)).await;
        assert_eq!(answer.status, 200, "{model}");
        let body = answer.text().await;
        let last: Value = serde_json::from_str(body.trim_end().lines().last().unwrap()).unwrap();
        assert_eq!(last["towline"]["outcome"], outcome, "{model}: {body}");
        assert!(last["error"].is_string() && body.ends_with('\n'), "{model}: {body}");
        // A reset may overtake what was sent before it.
        assert!(model == "reset" || body.starts_with(&text), "{model}: {body}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_in_openai_s_dialect_ends_in_an_error_event() {
    let mut events = openai::chat(&["Hel"]);
    let whole: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let routes = Routes::new()
        .model("whole", Script::sse(&events))
        .model("cut", Script::sse_open(events.drain(..2)).close());
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    let mut answer = relay.post("/v1/chat/completions", &[], &chat("whole")).await;
    assert_eq!(answer.text().await, whole);
    let mut answer = relay.post("/v1/chat/completions", &[], &chat("cut")).await;
    let body = answer.text().await;
    let last = body.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["error"]["code"], "truncated", "{body}");
    assert_eq!(last["error"]["type"], "towline");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_as_it_is_and_is_an_error_record_in_the_log() {
    let routes = Routes::new().model("m", Script::error(404, "model 'm' not found"));
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    let mut answer = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json().await["error"], "model 'm' not found");
    let id = relay.detached("m").await;
    assert_eq!(relay.ended(&id).await["state"], "failed");
    let log: Value = serde_json::from_str(&relay.log(&id).await).unwrap();
    assert_eq!(log["towline"]["status"], 404, "{log}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_server_the_answer_says_so() {
    let refusing = Refusing::new().unwrap();
    let relay = Relay::start(config(&format!("http://{}", refusing.addr()))).await;
    let mut answer = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.json().await["error"].is_string());
    let mut answer = relay.post("/v1/chat/completions", &[], &chat("m")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.json().await["error"]["message"].is_string());
    assert_eq!(relay.get("/api/tags").await.status, 502);
    assert_eq!(relay.get("/readyz").await.status, 503);
    assert_eq!(relay.get("/healthz").await.status, 200);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_model_server_takes_over_when_the_first_is_gone() {
    let records = ollama::chat(&["x"]);
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let refusing = Refusing::new().unwrap();
    let mut config = config(&format!("http://{}", refusing.addr()));
    config.upstreams.push(upstream("two", &server.url()));
    let relay = Relay::start(config).await;
    let mut answer = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!(answer.text().await, lines(&records));
    let id = answer.header("towline-stream").to_owned();
    assert_eq!(relay.ended(&id).await["upstream"], "two");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_with_its_only_client_unless_it_is_detached() {
    let text = ollama::chat_text("Hel");
    let script = Script::ndjson_open([&text]).wait("go").lines(ollama::chat(&["lo"])).end_chunks();
    let routes = Routes::new().model("m", Script::ndjson_open([&text]).stall()).model("d", script);
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;

    let mut answer = relay.post("/api/chat", &[], &chat("m")).await;
    let id = answer.header("towline-stream").to_owned();
    answer.until(text.len() + 1).await;
    drop(answer);
    let job = relay.ended(&id).await;
    assert_eq!((&job["state"], &job["cause"]), (&"cancelled".into(), &"its only reader has left".into()));
    let log = relay.log(&id).await;
    assert!(log.contains("\"outcome\":\"cancelled\""), "{log}");

    let id = relay.detached("d").await;
    let mut reader = relay.get(&format!("/streams/{id}?offset=-1&live=raw")).await;
    reader.until(text.len() + 1).await;
    drop(reader);
    server.open("go");
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_head_stops_the_model_server() {
    let server = Server::start(Routes::new().model("m", Script::request().wait("asked").stall()));
    let relay = Relay::start(config(&server.url())).await;
    let asking = tokio::spawn({
        let client = relay.client.clone();
        async move {
            ask(&client, Method::Post, "/api/chat", &[], &chat("m")).await;
        }
    });
    let watched = tokio::task::spawn_blocking(move || {
        assert!(server.wait_until_at("asked", 1, SOON));
        server
    });
    let server = watched.await.unwrap();
    server.open("asked");
    asking.abort();
    let jobs = soon(async {
        loop {
            let jobs = relay.get("/towline/v1/jobs?state=ended").await.json().await;
            if !jobs["jobs"].as_array().unwrap().is_empty() {
                return jobs;
            }
        }
    })
    .await;
    assert_eq!(jobs["jobs"][0]["state"], "cancelled");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_id_is_made_once() {
    let records = ollama::chat(&["once"]);
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let relay = Relay::start(config(&server.url())).await;
    let before = server.requests().len();
    let headers = [("towline-detach", "true"), ("towline-request-id", "r-1")];
    let mut first = relay.post("/api/chat", &headers, &chat("m")).await;
    assert_eq!(first.status, 202);
    let id = first.json().await["id"].clone();
    let mut second = relay.post("/api/chat", &headers, &chat("m")).await;
    assert_eq!((second.status, &second.json().await["id"]), (200, &id));
    relay.ended(id.as_str().unwrap()).await;
    let mut plain = relay.post("/api/chat", &headers[1..], &chat("m")).await;
    assert_eq!(plain.text().await, lines(&records));
    let chats = server.requests()[before..].iter().filter(|request| request.path() == "/api/chat").count();
    assert_eq!(chats, 1);
    for wrong in ["a b", "a/b", &"x".repeat(129)] {
        assert_eq!(
            relay.post("/api/chat", &[("towline-request-id", wrong)], &chat("m")).await.status,
            400,
            "{wrong}"
        );
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_recorded_is_passed_through() {
    let routes = Routes::new()
        .path("/api/show", Script::respond(200, "application/json", "{\"shown\":1}"))
        .path("/api/blobs/sha256:00", Script::respond(201, "text/plain", ""))
        .path("/v1/models", Script::respond(200, "application/json", "{\"data\":[]}"));
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    let mut answer = relay.post("/api/show?x=1", &[("x-own", "kept"), ("towline-name", "ours")], "{}").await;
    assert_eq!(answer.text().await, "{\"shown\":1}");
    let shown = server.requests().into_iter().find(|request| request.path() == "/api/show").unwrap();
    assert_eq!(shown.header("x-own"), Some("kept"));
    assert_eq!(shown.header("towline-name"), None);
    assert_eq!(relay.get("/v1/models").await.text().await, "{\"data\":[]}");
    let upload = relay.post("/api/blobs/sha256:00", &[], &"x".repeat(100_000)).await;
    assert_eq!(upload.status, 201);
    let uploaded =
        server.requests().into_iter().find(|request| request.path().starts_with("/api/blobs")).unwrap();
    assert_eq!(uploaded.body.len(), 100_000);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_say_which_they_are() {
    let server = Server::start(Routes::new().model("m", Script::ndjson_open(["{}"]).stall()));
    let mut config = config(&server.url());
    (config.limits.body_bytes, config.limits.running, config.limits.queued) = (100, 1, 0);
    let relay = Relay::start(config).await;
    let mut answer = relay.post("/api/chat", &[], &"x".repeat(101)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().await.contains("100 bytes"));
    let id = relay.detached("m").await;
    let mut refused = relay.post("/api/chat", &[], &chat("m")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    let text = refused.text().await;
    assert!(text.contains("1 answers run (limits.running) and 0 wait (limits.queued)"), "{text}");
    assert_eq!(relay.delete(&format!("/towline/v1/jobs/{id}")).await.status, 204);
    relay.stop().await;
}

#[tokio::test]
async fn a_second_relay_does_not_take_the_first_one_s_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&format!("http://{}", unused.local_addr().unwrap()));
    config.listen = vec![Listen::Unix(path.clone())];
    let first = towline_relay::Server::bind(config.clone()).await.unwrap();
    let second = towline_relay::Server::bind(config.clone()).await;
    assert!(matches!(second, Err(towline_relay::Error::Running(_))));
    drop(first);
    // A stale socket is replaced; another file never is.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(towline_relay::Server::bind(config.clone()).await.unwrap());
    std::fs::write(&path, "mine").unwrap();
    assert!(towline_relay::Server::bind(config).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_the_page_to_browsers_and_the_model_servers_to_others() {
    let server = Server::start(Script::respond(200, "text/plain", "Ollama is running"));
    let relay = Relay::start(config(&server.url())).await;
    let root = |accept: &'static str| {
        let client = relay.client.clone();
        async move { ask(&client, Method::Get, "/", &[("accept", accept)], "").await }
    };
    let mut page = root("text/html,application/xhtml+xml;q=0.9").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
    assert!(page.text().await.contains("<title>Towline</title>"));
    let tag = relay.get("/page/app.js").await.header("etag").to_owned();
    let known = [("if-none-match", tag.as_str())];
    assert_eq!(ask(&relay.client, Method::Get, "/page/app.js", &known, "").await.status, 304);
    for accept in ["*/*", "application/json"] {
        let mut other = root(accept).await;
        assert_eq!(other.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(other.text().await, "Ollama is running");
    }
    assert_eq!(relay.get("/page/app.js").await.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(relay.get("/page/nothing").await.status, 404);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_back_to_its_relay_goes_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = |name: &str| UpstreamConfig::new(Endpoint::unix(at(name)), UpstreamApi::Ollama);
    let relay = async |own: &str, other: &str| {
        let mut config = config("http://127.0.0.1:9");
        (config.listen, config.upstreams) =
            (vec![Listen::Unix(at(own))], vec![server(other), server("nobody")]);
        Relay::start(config).await
    };
    let relays = [relay("one", "other").await, relay("other", "one").await];
    for relay in &relays {
        let mut answer = relay.post("/api/chat", &[], &chat("m")).await;
        assert_eq!(answer.status, 508);
        let error = answer.json().await["error"].as_str().unwrap().to_owned();
        assert!(error.contains("this relay sent the request itself"), "{error}");
        assert_eq!(relay.post("/api/show", &[], "{}").await.status, 508);
        assert_eq!(relay.get("/api/tags").await.status, 502, "no model server has a part of the list");
    }
    for relay in relays {
        let jobs = relay.get("/towline/v1/jobs").await.json().await;
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2, "its own and the other's: {jobs}");
        relay.stop().await;
    }
}
