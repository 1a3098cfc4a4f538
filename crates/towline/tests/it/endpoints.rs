//! Every endpoint: the exact method, path and body of its request, and the reading of its response.

use serde_json::{Value, json};
use towline::api::{
    CopyRequest, CreateRequest, DeleteRequest, EmbedRequest, EmbeddingsRequest, Format, KeepAlive, Options,
    PullRequest, PushRequest, ShowRequest, Think, WebFetchRequest, WebSearchRequest,
};
use towline::client::Endpoint;
use towline::error::ErrorKind;
use towline::{ChatRequest, Client, GenerateRequest, Message, Stream};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Plan, Script, Server, http};

use crate::client_support::{SOON, client, client_to, read, soon};

/// A server that answers everything with this JSON.
fn answering(answer: Value) -> Server {
    Server::start(Script::respond(200, http::JSON, answer.to_string()))
}

/// Method, path and JSON body of the only request.
fn asked(server: &Server) -> (String, String, Value) {
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let body = if requests[0].body.is_empty() { Value::Null } else { requests[0].json().unwrap() };
    if body.is_null() {
        assert_eq!(requests[0].header("content-type"), None);
    } else {
        assert_eq!(requests[0].header("content-type"), Some("application/json"));
    }
    (requests[0].method.clone(), requests[0].target.clone(), body)
}

fn post(path: &str, body: Value) -> (String, String, Value) {
    ("POST".to_owned(), path.to_owned(), body)
}

fn get(path: &str) -> (String, String, Value) {
    ("GET".to_owned(), path.to_owned(), Value::Null)
}

#[tokio::test]
async fn streams_ask_as_the_api_says() {
    let check = async |start: &dyn Fn(&Client) -> Stream, expected: (String, String, Value)| {
        let server = Server::start(Script::ndjson([ollama::chat_done("stop", 0)]));
        drop(read(start(&client(&server))).await);
        assert_eq!(asked(&server), expected);
        assert_eq!(server.requests()[0].header("accept"), Some("application/x-ndjson, application/json"));
    };
    check(
        &|client| client.chat(ChatRequest::new("m").user("Hi")),
        post(
            "/api/chat",
            json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }], "stream": true }),
        ),
    )
    .await;
    check(
        &|client| {
            client.chat(ChatRequest {
                messages: vec![Message::system("Be brief."), Message::assistant("Well")],
                think: Some(Think::Off),
                format: Some(Format::Json),
                keep_alive: Some(KeepAlive::Forever),
                truncate: Some(false),
                shift: Some(true),
                logprobs: Some(true),
                top_logprobs: Some(2),
                ..ChatRequest::new("m").option("seed", 1)
            })
        },
        post(
            "/api/chat",
            json!({
                "model": "m",
                "messages": [
                    { "role": "system", "content": "Be brief." },
                    { "role": "assistant", "content": "Well" },
                ],
                "format": "json", "think": false, "options": { "seed": 1 }, "keep_alive": -1,
                "truncate": false, "shift": true, "logprobs": true, "top_logprobs": 2, "stream": true,
            }),
        ),
    )
    .await;
    check(
        &|client| {
            client.generate(GenerateRequest {
                suffix: Some("}".into()),
                system: Some("s".into()),
                template: Some("t".into()),
                context: vec![1, 2],
                raw: Some(true),
                images: vec!["aGk=".into()],
                think: Some(Think::Level("high".into())),
                keep_alive: Some(KeepAlive::For(SOON)),
                ..GenerateRequest::new("m", "fn main() {")
            })
        },
        post(
            "/api/generate",
            json!({
                "model": "m", "prompt": "fn main() {", "suffix": "}", "system": "s", "template": "t",
                "context": [1, 2], "raw": true, "images": ["aGk="], "think": "high", "keep_alive": "30000ms",
                "stream": true,
            }),
        ),
    )
    .await;
    check(
        &|client| client.pull(PullRequest { model: "m".into(), insecure: true }),
        post("/api/pull", json!({ "model": "m", "insecure": true, "stream": true })),
    )
    .await;
    check(
        &|client| client.push(PushRequest { model: "me/m".into(), insecure: false }),
        post("/api/push", json!({ "model": "me/m", "stream": true })),
    )
    .await;
    check(
        &|client| {
            client.create(CreateRequest {
                model: "mine".into(),
                from: Some("m".into()),
                files: [("a.gguf".to_owned(), "sha256:00".to_owned())].into(),
                license: vec!["MIT".into()],
                parameters: Options::default().with("temperature", 0),
                messages: vec![Message::user("Hi")],
                quantize: Some("q4_K_M".into()),
                ..CreateRequest::default()
            })
        },
        post(
            "/api/create",
            json!({
                "model": "mine", "from": "m", "files": { "a.gguf": "sha256:00" }, "license": ["MIT"],
                "parameters": { "temperature": 0 }, "messages": [{ "role": "user", "content": "Hi" }],
                "quantize": "q4_K_M", "stream": true,
            }),
        ),
    )
    .await;
}

#[tokio::test]
async fn generate_answers_in_events() {
    let lines = [
        r#"{"model":"m","response":"","thinking":"Hm","done":false}"#.to_owned(),
        ollama::generate_text("Hel"),
        ollama::generate_text("lo"),
        ollama::generate_done("length", 2),
    ];
    let server = Server::start(Script::ndjson(&lines));
    let (_, outcome) = read(client(&server).generate(GenerateRequest::new("m", "Hi"))).await;
    assert_eq!((outcome.reply.text.as_str(), outcome.reply.thinking.as_str()), ("Hello", "Hm"));
    assert_eq!(outcome.reply.model.as_deref(), Some("m"));
    assert_eq!(outcome.ending, towline::Ending::Completed(Some(towline::outcome::FinishReason::Length)));
}

#[tokio::test]
async fn embed_gives_vectors() {
    let server = answering(json!({
        "model": "m", "embeddings": [[0.5, -1.0], [1e-3, 2]], "total_duration": 5, "load_duration": 1,
        "prompt_eval_count": 7,
    }));
    let request = EmbedRequest {
        model: "m".into(),
        input: vec!["a".into(), "b".into()],
        dimensions: Some(2),
        truncate: Some(false),
        ..EmbedRequest::default()
    };
    let answer = client(&server).embed(request).await.unwrap();
    assert_eq!(answer.embeddings, [[0.5, -1.0], [1e-3, 2.0]]);
    assert_eq!((answer.prompt_eval_count, answer.total().as_nanos()), (7, 5));
    let body = json!({ "model": "m", "input": ["a", "b"], "truncate": false, "dimensions": 2 });
    assert_eq!(asked(&server), post("/api/embed", body));
    let nothing = answering(json!({ "embeddings": null }));
    assert!(client(&nothing).embed(EmbedRequest::default()).await.unwrap().embeddings.is_empty());
}

#[tokio::test]
async fn embeddings_gives_one_vector() {
    let server = answering(json!({ "embedding": [0.25] }));
    let request = EmbeddingsRequest { model: "m".into(), prompt: "a".into(), ..EmbeddingsRequest::default() };
    assert_eq!(client(&server).embeddings(request).await.unwrap().embedding, [0.25]);
    assert_eq!(asked(&server), post("/api/embeddings", json!({ "model": "m", "prompt": "a" })));
}

#[tokio::test]
async fn list_keeps_what_it_does_not_know() {
    let server = answering(json!({ "models": [
        { "name": "m:latest", "model": "m:latest", "size": 5, "digest": "00", "modified_at": "2026-01-01T00:00:00Z",
          "remote_host": "https://ollama.com", "details": {
            "format": "gguf", "family": "llama", "families": null, "parameter_size": "7B", "quantization_level": "Q4_0" } },
        { "name": "n", "details": null },
    ]}));
    let models = client(&server).list().await.unwrap().models;
    assert_eq!(asked(&server), get("/api/tags"));
    assert_eq!((models[0].name.as_str(), models[0].size), ("m:latest", 5));
    assert_eq!(models[0].extra["remote_host"], "https://ollama.com");
    assert_eq!(models[0].details.parameter_size, "7B");
    assert_eq!(models[0].details.extra["families"], Value::Null);
    assert_eq!(models[1].details.family, "");
    for empty in [json!({ "models": null }), json!({ "models": [] }), json!({})] {
        assert!(client(&answering(empty)).list().await.unwrap().models.is_empty());
    }
}

#[tokio::test]
async fn ps_tells_what_is_loaded() {
    let server = answering(json!({ "models": [{
        "name": "m", "size": 10, "size_vram": 8, "context_length": 4096, "expires_at": "2318-01-01T00:00:00Z", "x": 1,
    }]}));
    let models = client(&server).ps().await.unwrap().models;
    assert_eq!(asked(&server), get("/api/ps"));
    assert_eq!((models[0].size, models[0].size_vram, models[0].context_length), (10, 8, 4096));
    assert_eq!(models[0].extra["x"], 1);
    assert!(client(&answering(json!({ "models": null }))).ps().await.unwrap().models.is_empty());
}

#[tokio::test]
async fn show_describes_a_model() {
    let server = answering(json!({
        "license": null, "modelfile": "FROM m", "template": "{{ .Prompt }}", "details": { "family": "llama" },
        "model_info": { "general.architecture": "llama", "tokenizer.ggml.tokens": null }, "capabilities": ["tools"],
        "modified_at": "2026-01-01T00:00:00Z", "projector_info": { "a": 1 }, "tensors": [],
    }));
    let shown = client(&server).show(ShowRequest { model: "m".into(), verbose: false }).await.unwrap();
    assert_eq!(asked(&server).1, "/api/show");
    assert_eq!(server.requests()[0].json().unwrap()["model"], "m");
    assert_eq!((shown.modelfile.as_str(), shown.license.as_str()), ("FROM m", ""));
    assert_eq!(shown.model_info["general.architecture"], "llama");
    assert_eq!(shown.capabilities, ["tools"]);
    assert_eq!(shown.extra["projector_info"]["a"], 1);
    let server = answering(json!({ "model_info": null, "capabilities": null }));
    assert!(client(&server).show(ShowRequest::default()).await.unwrap().capabilities.is_empty());
}

#[tokio::test]
async fn copy_and_delete_answer_with_nothing() {
    let empty = || Server::start(Script::respond(200, "text/plain", ""));
    let server = empty();
    let request = CopyRequest { source: "a".into(), destination: "b".into() };
    client(&server).copy(request).await.unwrap();
    assert_eq!(asked(&server), post("/api/copy", json!({ "source": "a", "destination": "b" })));
    let server = empty();
    client(&server).delete(DeleteRequest { model: "a".into() }).await.unwrap();
    assert_eq!(asked(&server), ("DELETE".into(), "/api/delete".into(), json!({ "model": "a" })));
    let missing = Server::start(Script::error(404, "model 'a' not found"));
    let error = client(&missing).delete(DeleteRequest { model: "a".into() }).await.unwrap_err();
    assert_eq!((error.kind, error.may_have_had_effect), (ErrorKind::NotFound, false));
}

#[tokio::test]
async fn version_and_other_paths_are_plain_json() {
    let server = answering(json!({ "version": "0.33.0", "more": true }));
    let client = client(&server);
    assert_eq!(client.version().await.unwrap().version, "0.33.0");
    assert_eq!(asked(&server), get("/api/version"));
    let other: Value = client.get_json("/v1/models").await.unwrap();
    assert_eq!(other["more"], true);
    let other: Value = client.post_json("/api/me", &json!({ "a": 1 })).await.unwrap();
    assert_eq!(other["more"], true);
    let requests = server.requests();
    assert_eq!((requests[1].method.as_str(), requests[1].path()), ("GET", "/v1/models"));
    assert_eq!(requests[2].json().unwrap(), json!({ "a": 1 }));
    assert_eq!(client.status().await.unwrap().extra["more"], true);
    assert_eq!(client.me().await.unwrap().extra["more"], true);
    let requests = server.requests();
    assert_eq!((requests[3].method.as_str(), requests[3].path()), ("GET", "/api/status"));
    assert_eq!((requests[4].method.as_str(), requests[4].path()), ("POST", "/api/me"));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_a_protocol_error() {
    for (body, effect, words) in [
        // It is unknown which server sent the page, and what happened before it.
        ("<html>", true, "a web page"),
        ("", false, "/api/version"),
        (r#"{"version":5}"#, false, "/api/version"),
    ] {
        let server = Server::start(Script::respond(200, "text/html", body));
        let error = client(&server).version().await.unwrap_err();
        assert_eq!((error.kind, error.may_have_had_effect), (ErrorKind::Protocol, effect), "{error:?}");
        assert!(error.message.contains(words), "{error:?}");
        let error = client(&server).show(ShowRequest::default()).await;
        assert!(error.is_err() || body.starts_with('{'));
    }
}

#[tokio::test]
async fn the_web_is_searched_where_it_can_be() {
    let found = json!({ "results": [{ "title": "t", "url": "u", "content": "c", "score": 1 }] });
    let server = answering(found);
    let request = WebSearchRequest { query: "brooks".into(), max_results: Some(3) };
    assert_eq!(client(&server).web_search(request.clone()).await.unwrap().results[0].url, "u");
    let body = json!({ "query": "brooks", "max_results": 3 });
    assert_eq!(asked(&server), post("/api/experimental/web_search", body.clone()));

    let server = answering(json!({ "title": "t", "content": "c", "links": null }));
    let page = client(&server).web_fetch(WebFetchRequest { url: "u".into() }).await.unwrap();
    assert_eq!((page.title.as_str(), page.links.len()), ("t", 0));
    assert_eq!(asked(&server), post("/api/experimental/web_fetch", json!({ "url": "u" })));

    // ollama.com itself has them at other paths; a proxy shows the requests to it.
    let proxy = Server::start(Script::respond(200, http::JSON, "{}"));
    for host in ["ollama.com", "www.Ollama.com"] {
        let endpoint = Endpoint::http(host, 80);
        let mut config = towline::Config::default();
        config.transport.proxy.url = Some(proxy.url());
        let client = Client::with_config(endpoint, config).unwrap();
        client.web_search(request.clone()).await.unwrap();
        client.web_fetch(WebFetchRequest { url: "u".into() }).await.unwrap();
    }
    let targets: Vec<_> = proxy.requests().iter().map(|request| request.target.to_lowercase()).collect();
    assert_eq!(targets[..2], ["http://ollama.com/api/web_search", "http://ollama.com/api/web_fetch"]);
    assert_eq!(targets[2..], ["http://www.ollama.com/api/web_search", "http://www.ollama.com/api/web_fetch"]);
}

const DIGEST: &str = "sha256:000000000000000000000000000000000000000000000000000000000000000c";

#[tokio::test]
async fn blobs_are_asked_for_and_sent() {
    let server = Server::start(Plan::by_request(|request| match (request.method.as_str(), request.path()) {
        ("HEAD", path) if path.ends_with('c') => {
            Script::request().send(http::response_head(200, &[], Body::Length(0)))
        }
        ("HEAD", _) => Script::request().send(http::response_head(404, &[], Body::Length(0))),
        ("POST", _) => Script::respond(201, "text/plain", ""),
        _ => Script::error(405, "no"),
    }));
    let client = client(&server);
    assert!(soon(client.blob_exists(DIGEST)).await.unwrap());
    let other = DIGEST.replace('c', "d");
    assert!(!soon(client.blob_exists(&other)).await.unwrap());
    soon(client.upload_blob(DIGEST, 10, &b"0123456789"[..])).await.unwrap();
    let requests = server.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.method.as_str(), request.path())).collect();
    let (path, other) = (format!("/api/blobs/{DIGEST}"), format!("/api/blobs/{other}"));
    assert_eq!(seen, [("HEAD", path.as_str()), ("HEAD", other.as_str()), ("POST", path.as_str())]);
    assert_eq!(requests[2].header("content-length"), Some("10"));
    assert_eq!(requests[2].header("content-type"), Some("application/octet-stream"));
    assert_eq!(requests[2].body, b"0123456789");
    assert_eq!(server.requests_per_connection(), [3]);
}

#[tokio::test]
async fn a_file_is_sent_unless_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.gguf");
    let content = "0123456789".repeat(100_000);
    std::fs::write(&file, &content).unwrap();
    for there in [false, true] {
        let head = if there { 200 } else { 404 };
        let server = Server::start(Plan::by_request(move |request| match request.method.as_str() {
            "HEAD" => Script::request().send(http::response_head(head, &[], Body::Length(0))),
            _ => Script::respond(201, "text/plain", ""),
        }));
        let digest = soon(client(&server).upload_file(&file)).await.unwrap();
        assert_eq!(digest, "sha256:ec21d64624228af3ecd4bdaa8239e32ed943b01e26934cd5610fddb361426dc6");
        let requests = server.requests();
        assert_eq!(requests.len(), if there { 1 } else { 2 });
        if !there {
            assert!(requests[1].body == content.as_bytes());
        }
    }
    let nowhere = folder.path().join("b.gguf");
    let error = client_to("http://127.0.0.1:9", |_| ()).upload_file(&nowhere).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("b.gguf"), "{error:?}");
}

#[tokio::test]
async fn an_upload_that_is_refused_stops_early() {
    let refusal = r#"{"error":"digest mismatch"}"#;
    let head = http::response_head(400, &[], Body::Length(refusal.len() as u64));
    // The server reads the head only and answers: the rest of the 1 GB is not sent.
    let server = Server::start(Script::new().read_head().send([&head, refusal.as_bytes()].concat()).stall());
    let endless = tokio::io::repeat(b'x');
    let error = soon(client(&server).upload_blob(DIGEST, 1 << 30, endless)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.status, error.may_have_had_effect),
        (ErrorKind::Rejected, Some(400), false)
    );
    assert!(error.message.contains("digest mismatch"));
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[tokio::test]
async fn an_upload_that_is_too_short_or_ill_named_is_the_callers_fault() {
    let server = Server::start(Script::respond(201, "text/plain", ""));
    let client = client(&server);
    let error = soon(client.upload_blob(DIGEST, 11, &b"0123456789"[..])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    assert!(error.message.contains("10 of 11"), "{error:?}");
    for name in ["", "sha256:12", "md5:00", "sha256:../../etc", &format!("sha256:{}", "g".repeat(64))] {
        let error = client.blob_exists(name).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(client.upload_blob(name, 0, tokio::io::empty()).await.is_err());
    }
    assert!(server.requests().is_empty());
}
