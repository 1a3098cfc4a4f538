//! The client over transports other than plain TCP and HTTP/1.1.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use towline::Client;
use towline::client::Http2Policy;
use towline_testkit::records::ollama;
use towline_testkit::{Body, Plan, Script, Server, http};

use crate::client_support::{chat, client, client_to, read, soon, text};

#[tokio::test]
async fn a_unix_socket_is_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let server = Server::listen_unix(&path, Script::ndjson(ollama::chat(&["Hi"]))).unwrap();
    let client = Client::new(&format!("unix:{}", path.display())).unwrap();
    for _ in 0..2 {
        let (events, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(events[0], text("Hi"));
        assert!(outcome.is_completed());
    }
    assert_eq!(server.requests_per_connection(), [2]);
    assert_eq!(server.requests()[0].header("host"), Some("localhost"));
    drop(server);
    let error = read(client.chat(chat("m"))).await.1.ending.error().unwrap();
    assert!(error.message.contains("x.sock") && !error.may_have_had_effect, "{error:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_answers_are_read() {
    let list = br#"{"models":[{"name":"m"}]}"#;
    let lines: Vec<u8> = ollama::chat(&["Hel", "lo"]).iter().flat_map(http::line).collect();
    let server = Server::start(Plan::by_request(move |request| {
        let body = if request.path() == "/api/tags" { gzip(list) } else { gzip(&lines) };
        let headers = [("Content-Encoding", "gzip")];
        let head = http::response_head(200, &headers, Body::Length(body.len() as u64));
        Script::request().send(head).send(body)
    }));
    let client = client(&server);
    assert_eq!(soon(client.list()).await.unwrap().models[0].name, "m");
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
    // The client does not request compressed streams, because they would arrive late, but reads them.
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert_eq!(outcome.reply.text, "Hello");
    assert!(outcome.is_completed());
    assert_eq!(server.requests()[1].header("accept-encoding"), None);
    assert_eq!(server.requests_per_connection(), [2]);
}

#[tokio::test]
async fn a_base_path_is_kept() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let client = client_to(&format!("{}/gateway/", server.url()), |_| ());
    drop(read(client.chat(chat("m"))).await);
    assert_eq!(server.requests()[0].target, "/gateway/api/chat");
}

/// Answers every stream with the same lines over HTTP/2 without TLS, and counts its connections.
async fn serve_http2(
    listener: tokio::net::TcpListener,
    connections: std::sync::Arc<std::sync::atomic::AtomicUsize>,
) {
    let lines: Vec<u8> = ollama::chat(&["Hel", "lo"]).iter().flat_map(http::line).collect();
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let lines = lines.clone();
        serving.spawn(async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, mut reply))) = connection.accept().await {
                assert_eq!(request.uri().path(), "/api/chat");
                let mut body = reply.send_response(::http::Response::new(()), false).unwrap();
                body.send_data(bytes::Bytes::from(lines.clone()), true).unwrap();
            }
        });
    }
}

#[tokio::test]
async fn many_streams_share_an_http2_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = std::sync::Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_http2(listener, std::sync::Arc::clone(&connections)));
    let client = client_to(&url, |config| config.transport.http2.policy = Http2Policy::PriorKnowledge);
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        streams.spawn(async move { read(client.chat(chat("m"))).await.1 });
    }
    while let Some(outcome) = soon(streams.join_next()).await {
        let outcome = outcome.unwrap();
        assert!(outcome.is_completed() && outcome.reply.text == "Hello", "{outcome:?}");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_proxy_is_used_when_it_is_given() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let proxy = Server::start(Script::request().forward(server.addr()));
    let client = client_to("http://models.example:11434", |config| {
        config.transport.proxy.url = Some(proxy.url());
    });
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(proxy.requests()[0].target, "http://models.example:11434/api/chat");
    assert_eq!(server.requests()[0].header("host"), Some("models.example:11434"));
}

#[tokio::test]
async fn a_user_and_a_password_go_to_the_host_that_they_were_given_for() {
    let elsewhere = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let address = elsewhere.url();
    let server = Server::start(
        towline_testkit::Routes::new()
            .path(
                "/api/chat",
                Script::request().send(http::response_head(307, &[("Location", "/there")], Body::Length(0))),
            )
            .path("/there", Script::ndjson(ollama::chat(&["Hi"])))
            .otherwise(Script::request().send(http::response_head(
                307,
                &[("Location", &address)],
                Body::Length(0),
            ))),
    );
    let host = server.url().replace("http://", "http://Aladdin:open%20sesame@");
    let endpoint = towline::client::host::parse(&host).unwrap();
    let mut config =
        towline::Config { api_key: Some(towline::client::ApiKey::new("of-others")), ..Default::default() };
    config.transport.redirects = towline::client::RedirectPolicy::Any;
    let client = Client::with_config(endpoint, config).unwrap();
    assert!(read(client.chat(chat("m"))).await.1.is_completed());
    drop(client.version().await);
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(request.header("host"), Some(server.url().trim_start_matches("http://")));
    }
    assert_eq!(server.requests().len(), 3);
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
    assert!(!format!("{client:?}").contains("sesame"));

    // The caller's own header takes precedence.
    let client =
        client.with_request_config(|config| config.headers = vec![("Authorization".into(), "own".into())]);
    assert!(read(client.chat(chat("m"))).await.1.is_completed());
    assert_eq!(server.requests()[3].header("authorization"), Some("own"));
}
