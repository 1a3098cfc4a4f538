//! The relay in front of Ollama behaves like Ollama: the requests of its clients, and the responses.

use std::io::Read as _;
use std::net::{Shutdown, TcpStream};

use serde_json::Value;
use towline_core::http1::Method;
use towline_testkit::ports::Refusing;
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Body, Routes, Script, Server};

use crate::support::{Relay, ask, chat, config, connect, upstream};

fn read_all(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

/// The relay's response to `bytes`, which ask for the connection to be closed, or make the relay close it.
fn talk(relay: &Relay, bytes: &[u8]) -> String {
    read_all(connect(relay, bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_a_length_is_passed_through() {
    let server =
        Server::start(Routes::new().path("/api/blobs/sha256:00", Script::respond(201, "text/plain", "")));
    let relay = Relay::start(config(&server.url())).await;
    let head = "POST /api/blobs/sha256:00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let piece = "x".repeat(0x1_0000);
    let body: String = (0..40).map(|_| format!("10000\r\n{piece}\r\n")).collect();
    let said = talk(&relay, format!("{head}{body}0\r\n\r\n").as_bytes());
    assert!(said.starts_with("HTTP/1.1 201 "), "{said}");
    let uploaded =
        server.requests().into_iter().find(|request| request.path().starts_with("/api/blobs")).unwrap();
    assert_eq!(uploaded.header("transfer-encoding"), Some("chunked"));
    assert_eq!(uploaded.body.len(), 40 * 0x1_0000);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_streamed_is_one_json_value() {
    let not_done = r#"{"model":"","message":{"role":"","content":""},"done":false}"#;
    let done =
        r#"{"model":"m","message":{"role":"assistant","content":"hi"},"done":true,"done_reason":"stop"}"#;
    let json = "application/json; charset=utf-8";
    let half = Script::request().head(200, json, Body::Chunked).chunk(&done[..30]).close();
    let routes = Routes::new()
        .model("done", Script::respond(200, json, done))
        .model("not", Script::respond(200, json, not_done))
        .model("cut", half);
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    let ask_for = async |model: &str| {
        let body = format!(r#"{{"model":"{model}","stream":false,"messages":[]}}"#);
        relay.post("/api/chat", &[], &body).await
    };
    for (model, text, outcome) in [("done", done, "completed"), ("not", not_done, "truncated")] {
        let mut answer = ask_for(model).await;
        assert_eq!((answer.status, answer.header("towline-outcome")), (200, outcome), "{model}");
        assert_eq!(answer.header("content-type"), json);
        let id = answer.header("towline-stream").to_owned();
        assert_eq!(answer.text().await, text);
        assert_eq!(relay.log(&id).await, text);
        assert_eq!(relay.ended(&id).await["state"], outcome);
    }
    let mut answer = ask_for("cut").await;
    assert_eq!((answer.status, answer.header("towline-outcome")), (502, "truncated"));
    assert!(answer.json().await["error"].is_string());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_the_routes_that_ollama_takes_them_for() {
    let records = ollama::chat(&["x"]);
    let routes = Routes::new()
        .model("m", Script::ndjson(&records))
        .path("/base/api/chat", Script::ndjson(&records))
        .path("/secret", Script::respond(200, "text/plain", "secret"));
    let server = Server::start(routes);
    let relay = Relay::start(config(&format!("{}/base", server.url()))).await;
    for path in ["/api/%63hat", "/api/chat/", "//api//chat"] {
        let answer = relay.post(path, &[], &chat("m")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_ne!(answer.header("towline-stream"), "", "{path}");
    }
    for path in ["/api/../../secret", "/api/%2e%2e/%2E%2e/secret", "/v1/..%2f..%2fsecret"] {
        let said = talk(
            &relay,
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert!(said.starts_with("HTTP/1.1 404 ") && !said.ends_with("secret"), "{path}: {said}");
    }
    assert!(server.requests().iter().all(|request| request.path() != "/secret"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_missing_from_lists_and_delays_them_little() {
    let tags = r#"{"models":[{"name":"a:latest"}]}"#;
    let models = r#"{"object":"list","data":[{"id":"a:latest"}]}"#;
    let routes = Routes::new()
        .path("/api/tags", Script::respond(200, "application/json", tags))
        .path("/api/ps", Script::respond(200, "application/json", "{\"models\":null}"))
        .path("/v1/models", Script::respond(200, "application/json", models));
    let server = Server::start(routes);
    let silent = Server::start(Script::request().stall());
    let mut two = config(&silent.url());
    two.upstreams.push(upstream("two", &server.url()));
    let relay = Relay::start(two).await;
    let began = std::time::Instant::now();
    let lists = [("/api/tags", "models", 1), ("/api/ps", "models", 0), ("/v1/models", "data", 1)];
    for (path, key, count) in lists {
        let mut answer = relay.get(path).await;
        assert_eq!((answer.status, answer.header("towline-missing")), (200, "one"), "{path}");
        assert_eq!(answer.json().await[key].as_array().unwrap().len(), count, "{path}");
    }
    // Each waits at most 2 s for it; the list of models may take 5 s.
    assert!(began.elapsed() < std::time::Duration::from_secs(3 * 5), "{:?}", began.elapsed());
    relay.stop().await;

    let refusing = Refusing::new().unwrap();
    let mut none = config(&format!("http://{}", refusing.addr()));
    none.upstreams.push(upstream("two", &format!("http://{}", refusing.addr())));
    let relay = Relay::start(none).await;
    for (path, _, _) in lists {
        assert_eq!(relay.get(path).await.status, 502, "{path}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_model_server_reach_the_client() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nX-Request-Id: r1\r\nX-Hop: 1\r\nVary: Accept\r\n\
                Connection: close, X-Hop\r\n\r\n";
    let records: String = ollama::chat(&["x"]).iter().map(|record| format!("{record}\n")).collect();
    let busy = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 7\r\nContent-Length: 16\r\n\r\n\
                {\"error\":\"busy\"}";
    let routes = Routes::new()
        .model("m", Script::request().send(head).send(&records).close())
        .model("busy", Script::request().send(busy));
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    let page = ("origin", "http://localhost:5173");
    let mut answer = relay.post("/api/chat", &[page], &chat("m")).await;
    assert_eq!(answer.status, 200);
    assert_eq!((answer.header("x-request-id"), answer.header("x-hop")), ("r1", ""));
    assert_eq!(answer.header("x-accel-buffering"), "no");
    let vary: Vec<&[u8]> =
        answer.headers.iter().filter(|(name, _)| *name == "vary").map(|(_, value)| value).collect();
    assert_eq!(vary, [&b"Accept"[..], b"Origin"]);
    assert_eq!(answer.text().await, records);
    let mut answer = relay.post("/api/chat", &[], &chat("busy")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    assert_eq!(answer.json().await["error"], "busy");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asked_for_events_gets_signs_of_life_before_the_head() {
    let events = openai::chat(&["x"]);
    let slow = Script::request().wait("go").head(200, "text/event-stream", Body::Chunked).events(&events);
    let no_model = r#"{"error":"no such model"}"#;
    let length = Body::Length(no_model.len() as u64);
    let refused = Script::request().wait("go").head(404, "application/json", length).send(no_model);
    let routes = Routes::new().model("slow", slow.end_chunks()).model("refused", refused);
    let server = Server::start(routes);
    let mut config = config(&server.url());
    config.times.heartbeat = std::time::Duration::from_millis(20);
    let relay = Relay::start(config).await;
    let streamed = |model: &str| format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#);
    let mut slow = relay.post("/v1/chat/completions", &[], &streamed("slow")).await;
    assert_eq!((slow.status, slow.header("content-type")), (200, "text/event-stream"));
    let sign = ": keep-alive\n\n";
    slow.until(2 * sign.len()).await;
    assert_eq!(&slow.read[..sign.len()], sign.as_bytes());
    let mut refused = relay.post("/v1/chat/completions", &[], &streamed("refused")).await;
    refused.until(sign.len()).await;
    server.pass("go", 2);
    assert!(slow.text().await.ends_with("data: [DONE]\n\n"));
    let said = refused.text().await;
    assert!(said.contains("no such model") && said.contains("\"status\":404"), "{said}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_for_one_path_and_body() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["once"]))));
    let relay = Relay::start(config(&server.url())).await;
    let headers = [("towline-request-id", "r-1")];
    let mut first = relay.post("/api/chat", &headers, &chat("m")).await;
    let text = first.text().await;
    assert_eq!(relay.post("/api/chat", &headers, &chat("m")).await.text().await, text);
    let other = r#"{"model":"m","messages":[{"role":"user","content":"other"}]}"#;
    for (path, body) in [("/api/chat", other), ("/api/generate", &chat("m"))] {
        for headers in [&headers[..], &[headers[0], ("towline-detach", "true")]] {
            let mut refused = relay.post(path, headers, body).await;
            assert_eq!(refused.status, 422, "{path}");
            assert!(refused.json().await["error"].as_str().unwrap().contains("Towline-Request-Id"));
        }
    }
    assert_eq!(server.requests().iter().filter(|request| request.path() == "/api/chat").count(), 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shuts_its_sending_side_down_gets_its_answer() {
    let records = ollama::chat(&["Hel", "lo"]);
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let relay = Relay::start(config(&server.url())).await;
    let body = chat("m");
    let head =
        format!("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = connect(&relay, (head + &body).as_bytes());
    stream.shutdown(Shutdown::Write).unwrap();
    let said = read_all(stream);
    assert!(said.contains("\"done\":true"), "{said}");
    let twice = "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n";
    for wrong in [twice, "GET /healthz HTTP/1.1\r\n\r\n"] {
        let said = talk(&relay, wrong.as_bytes());
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
        assert!(said.contains("\r\nconnection: close\r\n"), "{said}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_tags_of_a_stream_that_is_made_again_are_its_own() {
    let server = Server::start(Routes::new());
    let relay = Relay::start(config(&server.url())).await;
    let put = async || {
        let made =
            ask(&relay.client, Method::Put, "/streams/x", &[("content-type", "text/plain")], "abc").await;
        let tag = relay.get("/streams/x").await.header("etag").to_owned();
        (made.header("stream-next-offset").to_owned(), tag, made.header("location").to_owned())
    };
    let (offset, tag, location) = put().await;
    let endpoint = &relay.endpoint;
    assert_eq!(location, format!("http://{}:{}/streams/x", endpoint.host, endpoint.port));
    assert_eq!(relay.delete("/streams/x").await.status, 204);
    let (other_offset, other_tag, _) = put().await;
    assert_ne!(offset, other_offset);
    assert_ne!(tag, other_tag);
    assert_eq!(relay.get(&format!("/streams/x?offset={offset}")).await.status, 410);
    let again = ask(&relay.client, Method::Get, "/streams/x", &[("if-none-match", &tag)], "").await;
    assert_eq!(again.status, 200);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_events_that_reconnects_is_where_it_was() {
    let server = Server::start(Routes::new());
    let relay = Relay::start(config(&server.url())).await;
    let closed = [("content-type", "text/plain"), ("stream-closed", "true")];
    assert_eq!(ask(&relay.client, Method::Put, "/streams/x", &closed, "abc").await.status, 201);
    let target = "/streams/x?offset=-1&live=sse";
    let events = relay.get(target).await.text().await;
    let id = events.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    // Without this status a browser would reconnect again and again after the end.
    let after = ask(&relay.client, Method::Get, target, &[("last-event-id", id)], "").await;
    assert_eq!(after.status, 204);
    let (incarnation, _) = id.split_once('_').unwrap();
    let within = format!("{incarnation}_{:016}", 1);
    let mut rest = ask(&relay.client, Method::Get, target, &[("last-event-id", &within)], "").await;
    let rest = rest.text().await;
    assert!(rest.contains("data:bc\n") && !rest.contains("data:abc"), "{rest}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_allowed_what_ollama_allows_them() {
    let server = Server::start(Routes::new());
    let relay = Relay::start(config(&server.url())).await;
    let preflight = |origin: &str| {
        let head = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-stainless-lang";
        talk(
            &relay,
            format!("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\n{head}\r\n\r\n").as_bytes(),
        )
        .to_ascii_lowercase()
    };
    let said = preflight("http://localhost:5173");
    assert!(said.contains("access-control-allow-origin: http://localhost:5173\r\n"), "{said}");
    for header in ["x-stainless-lang", "openai-beta", "user-agent", "x-requested-with", "authorization"] {
        assert!(said.contains(header), "{header}: {said}");
    }
    assert!(said.contains("access-control-max-age: 43200\r\n"), "{said}");
    for origin in ["http://x.local", "https://evil.example"] {
        assert!(!preflight(origin).contains("access-control-allow-origin"), "{origin}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_both_names_of_a_model_reach_the_server_that_has_it() {
    let tags = |name: &str| format!(r#"{{"models":[{{"name":"{name}"}}]}}"#);
    let server = |name: &str| {
        let routes = Routes::new()
            .path("/api/tags", Script::respond(200, "application/json", tags(name)))
            .path("/api/show", Script::respond(200, "application/json", name))
            .path("/api/copy", Script::respond(200, "application/json", name));
        Server::start(routes)
    };
    let (a, b) = (server("a:latest"), server("b:latest"));
    let mut config = config(&a.url());
    config.upstreams.push(upstream("two", &b.url()));
    let relay = Relay::start(config).await;
    for body in [
        r#"{"model":"b"}"#,
        r#"{"name":"b:latest"}"#,
        r#"{"model":"","system":"","name":"b:latest"}"#,
        r#"{"model":"b:latest","name":"b:latest"}"#,
    ] {
        assert_eq!(relay.post("/api/show", &[], body).await.text().await, "b:latest", "{body}");
    }
    let copied = relay.post("/api/copy", &[], r#"{"source":"b","destination":"c"}"#).await;
    assert_eq!(copied.status, 200);
    assert_eq!(b.requests().iter().filter(|request| request.path() == "/api/copy").count(), 1);
    let mut listed: Value = relay.get("/api/tags").await.json().await;
    let names: Vec<Value> =
        listed["models"].as_array_mut().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!(names, ["a:latest", "b:latest"]);
    relay.stop().await;
}
