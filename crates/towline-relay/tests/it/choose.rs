//! The choice of a model server by a request.

use serde_json::Value;
use towline::client::ApiKey;
use towline::client::Endpoint;
use towline::relay::{RelayConfig, Via};
use towline::{ChatRequest, Client, Config};
use towline_core::http1::Method;
use towline_relay::{Listen, Token};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, chat, config, upstream};

fn says(text: &str) -> Server {
    Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&[text]))))
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_a_request_chooses_a_configured_one_by_its_name_and_no_other() {
    let (one, two, other) = (says("one"), says("two"), says("other"));
    let mut config = config(&one.url());
    config.upstreams.push(upstream("two", &two.url()));
    let relay = Relay::start(config).await;
    for name in ["one", "two", "two"] {
        let mut answer = relay.post("/api/chat", &[("towline-server", name)], &chat("m")).await;
        assert!(answer.text().await.contains(&format!("\"{name}\"")), "{name}");
    }
    let key = [("towline-server", &*other.url()), ("authorization", "Bearer hush")];
    let mut refused = relay.post("/api/chat", &key, &chat("m")).await;
    assert_eq!(refused.status, 403);
    let message = refused.json().await["error"].as_str().unwrap().to_owned();
    assert!(message.contains("its servers are one, two") && !message.contains(&other.url()), "{message}");
    let listed = ask(&relay.client, Method::Get, "/api/tags", &[("towline-server", &other.url())], "").await;
    assert_eq!((listed.status, other.requests().len()), (403, 0));
    relay.stop().await;
}

/// A relay on a Unix socket, and a client whose requests are for `server`.
async fn own(tokens: Vec<Token>, server: &str) -> (tempfile::TempDir, Relay, Client) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let mut config = config("http://127.0.0.1:9");
    (config.listen, config.tokens) = (vec![Listen::Unix(socket.clone())], tokens);
    let relay = Relay::start(config).await;
    let via = Via::Relay(RelayConfig { server: Some(server.to_owned()), ..RelayConfig::default() });
    let config = Config { via, api_key: Some(ApiKey::new("hush")), ..Config::default() };
    let client = Client::with_config(Endpoint::unix(socket), config).unwrap();
    (folder, relay, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_own_socket_a_request_names_its_server_and_brings_the_key() {
    let server = says("here");
    let (_folder, relay, client) = own(Vec::new(), &server.url()).await;
    assert_eq!(client.chat(ChatRequest::new("m").user("Where?")).text().await.unwrap(), "here");
    let control = client.relay();
    let job = control.find("where").await.unwrap();
    let shown = towline::client::host::parse(&server.url()).unwrap().to_string();
    assert_eq!(job.upstream.as_deref(), Some(&*shown));
    // A retry goes to the same server; the order has the key, because the relay does not keep it.
    let again = control.retry("where").await.unwrap();
    assert_eq!(again.retry_of.as_deref(), Some(&*job.id));
    assert_eq!(client.attach(&again.id, towline::relay::Start::Beginning).text().await.unwrap(), "here");
    let without = client.with_request_config(|config| (config.via, config.api_key) = (Via::Server, None));
    let again = without.relay().retry("where").await.unwrap();
    assert_eq!(client.attach(&again.id, towline::relay::Start::Beginning).text().await.unwrap(), "here");
    let keys: Vec<Option<String>> = server
        .requests()
        .iter()
        .filter(|request| request.path() == "/api/chat")
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(keys, [Some("Bearer hush".into()), Some("Bearer hush".into()), None]);
    let kept = control.request("where").await.unwrap();
    assert_eq!(kept["model"], Value::from("m"));
    assert!(!kept.to_string().contains("hush"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_not_its_own_server_and_a_shared_one_takes_no_addresses() {
    let server = says("here");
    let (folder, relay, client) = own(Vec::new(), "nowhere://x").await;
    let itself = format!("unix:{}", folder.path().join("relay.sock").display());
    let to = |server: &str| {
        let server = server.to_owned();
        client.with_request_config(|config| {
            config.via = Via::Relay(RelayConfig { server: Some(server), ..RelayConfig::default() });
        })
    };
    let refused = to(&itself).chat(ChatRequest::new("m").user("x")).text().await.unwrap_err();
    assert!(refused.to_string().contains("this relay itself"), "{refused}");
    let refused = to("exa mple").chat(ChatRequest::new("m").user("x")).text().await.unwrap_err();
    assert!(refused.to_string().contains("Towline-Server"), "{refused}");
    relay.stop().await;
    let (_folder, relay, client) = own(vec![Token::new("ann", "0123456789abcdef")], &server.url()).await;
    let refused = client.chat(ChatRequest::new("m").user("x")).text().await.unwrap_err();
    assert!(refused.to_string().contains("names no model server of this relay"), "{refused}");
    assert!(server.requests().is_empty());
    relay.stop().await;
}
