//! Tokens: their roles, limits and expiry.

use serde_json::Value;
use towline_core::http1::Method;
use towline_relay::{Role, Token};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, chat, config, soon};

/// A relay with a token for each owner, and a model whose answers have three tokens.
async fn with(tokens: &[Token]) -> (Server, Relay) {
    let done = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"eval_count\":3}";
    let server =
        Server::start(Routes::new().model("m", Script::ndjson([ollama::chat_text("a"), done.to_owned()])));
    let mut config = config(&server.url());
    config.tokens = tokens.to_vec();
    (server, Relay::start(config).await)
}

fn token(owner: &str) -> Token {
    Token::new(owner, &secret(owner))
}

fn secret(owner: &str) -> String {
    format!("{owner}-0123456789abcdef")
}

/// The status, `Retry-After` and text of a request of an owner.
async fn as_owner(
    relay: &Relay,
    owner: &str,
    method: Method,
    target: &str,
    body: &str,
) -> (u16, Option<String>, String) {
    let bearer = format!("Bearer {}", secret(owner));
    let mut answer = ask(&relay.client, method, target, &[("authorization", &bearer)], body).await;
    let after = answer.headers.get("retry-after").map(str::to_owned);
    (answer.status, after, answer.text().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_do_what_its_roles_say() {
    let with_roles = |owner: &str, roles: &[Role]| Token { roles: Some(roles.to_vec()), ..token(owner) };
    let (_server, relay) = with(&[
        with_roles("reader", &[Role::Read]),
        with_roles("asker", &[Role::Read, Role::Ask]),
        with_roles("keeper", &[Role::Models]),
        with_roles("watcher", &[Role::Metrics]),
        with_roles("admin", &[Role::Admin]),
        token("plain"),
    ])
    .await;
    let jobs = "/towline/v1/jobs";
    for (method, target, body, lacks, may) in [
        (Method::Get, jobs, String::new(), "read", [true, true, false, false, true, true]),
        (Method::Post, "/api/chat", chat("m"), "ask", [false, true, false, false, true, true]),
        (Method::Put, "/streams/s", "x".into(), "ask", [false, true, false, false, true, true]),
        (
            Method::Post,
            "/api/pull",
            "{\"model\":\"m\"}".into(),
            "models",
            [false, false, true, false, true, true],
        ),
        (
            Method::Delete,
            "/api/delete",
            "{\"model\":\"m\"}".into(),
            "models",
            [false, false, true, false, true, true],
        ),
        (Method::Get, "/metrics", String::new(), "metrics", [false, false, false, true, true, true]),
    ] {
        for (owner, may) in ["reader", "asker", "keeper", "watcher", "admin", "plain"].iter().zip(may) {
            let (status, _, text) = as_owner(&relay, owner, method, target, &body).await;
            assert_eq!(status == 403, !may, "{owner} {target}: {status} {text}");
            assert!(may || text.contains(&format!("lacks the role {lacks}")), "{owner} {target}: {text}");
        }
    }
    let shutdown = "/towline/v1/shutdown";
    assert_eq!(as_owner(&relay, "plain", Method::Post, shutdown, "").await.0, 403);
    assert_eq!(as_owner(&relay, "admin", Method::Post, shutdown, "").await.0, 202);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_may_ask_so_often_and_so_much() {
    let (_server, relay) = with(&[
        Token { requests_per_minute: Some(2), ..token("often") },
        Token { tokens_per_day: Some(3), ..token("much") },
        token("free"),
    ])
    .await;
    let asks = async |owner: &str| as_owner(&relay, owner, Method::Post, "/api/chat", &chat("m")).await;
    for _ in 0..2 {
        assert_eq!(asks("often").await.0, 200);
    }
    let (status, after, text) = asks("often").await;
    assert!(status == 429 && text.contains("requests_per_minute of often is 2"), "{status} {text}");
    assert!((1..=30).contains(&after.unwrap().parse::<u64>().unwrap()));
    assert_eq!(asks("much").await.0, 200);
    // Counted once the answer has ended.
    let (after, text) = soon(async {
        loop {
            let (status, after, text) = asks("much").await;
            if status == 429 {
                break (after, text);
            }
        }
    })
    .await;
    assert!(text.contains("tokens_per_day of much is 3"), "{text}");
    assert!((1..=86_400).contains(&after.unwrap().parse::<u64>().unwrap()));
    assert_eq!(asks("free").await.0, 200);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_answers_of_an_owner_run_at_once() {
    let gated =
        |name: &str| Script::ndjson_open([""; 0]).wait(name).lines(ollama::chat(&[name])).end_chunks();
    let server =
        Server::start(["a", "b", "c"].iter().fold(Routes::new(), |all, name| all.model(name, gated(name))));
    let mut config = config(&server.url());
    config.tokens = vec![Token { running: Some(1), ..token("ann") }, token("bob")];
    let relay = Relay::start(config).await;
    let begun = async |owner: &str, model: &str| {
        let detach = ("towline-detach", "true");
        let secret = format!("Bearer {}", secret(owner));
        let headers = [detach, ("authorization", secret.as_str())];
        let begun: Value = relay.post("/api/chat", &headers, &chat(model)).await.json().await;
        format!("/towline/v1/jobs/{}", begun["id"].as_str().unwrap())
    };
    let state = async |owner: &str, target: &str| {
        let (_, _, text) = as_owner(&relay, owner, Method::Get, target, "").await;
        let job: Value = serde_json::from_str(&text).unwrap();
        job["state"].as_str().unwrap().to_owned()
    };
    let (first, second, other) = (begun("ann", "a").await, begun("ann", "b").await, begun("bob", "c").await);
    assert_eq!(state("ann", &second).await, "queued");
    assert_ne!(state("bob", &other).await, "queued");
    server.open("a");
    assert_eq!(state("ann", &format!("{first}?wait=30")).await, "completed");
    server.open("b");
    assert_eq!(state("ann", &format!("{second}?wait=30")).await, "completed");
    server.open("c");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_today_count_after_a_restart() {
    let done = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"eval_count\":3}";
    let server = Server::start(Routes::new().model("m", Script::ndjson([done])));
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let mut config = crate::support::on_disk(config(&server.url()), folder.path());
        config.tokens = vec![Token { tokens_per_day: Some(3), ..token("ann") }];
        Relay::start(config).await
    };
    let relay = start().await;
    assert_eq!(as_owner(&relay, "ann", Method::Post, "/api/chat", &chat("m")).await.0, 200);
    relay.stop().await;
    let relay = start().await;
    assert_eq!(as_owner(&relay, "ann", Method::Post, "/api/chat", &chat("m")).await.0, 429);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_says_so() {
    let expired = Token { expires: Some("2020-01-01T00:00:00Z".parse().unwrap()), ..token("ann") };
    let (_server, relay) = with(&[expired]).await;
    let (status, _, text) = as_owner(&relay, "ann", Method::Get, "/towline/v1/jobs", "").await;
    assert!(status == 401 && text.contains("has expired"), "{status} {text}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_the_newest_answers_for_a_token_that_may_read_them() {
    let (_server, relay) =
        with(&[token("one"), token("other"), Token { roles: Some(vec![Role::Metrics]), ..token("watcher") }])
            .await;
    for _ in 0..40 {
        assert_eq!(as_owner(&relay, "one", Method::Post, "/api/chat", &chat("m")).await.0, 200);
    }
    let page = async |owner: Option<&str>| {
        let bearer = format!("Bearer {}", secret(owner.unwrap_or("nobody")));
        let headers = [("accept", "text/html"), ("authorization", &bearer)];
        let mut page =
            ask(&relay.client, Method::Get, "/", &headers[..1 + usize::from(owner.is_some())], "").await;
        let kept = page.header("cache-control").to_owned();
        let text = page.text().await;
        let jobs = text.split_once("id=first>").unwrap().1.split_once("</script>").unwrap().0;
        (kept, serde_json::from_str::<Vec<Value>>(jobs).unwrap())
    };
    let listed: Value =
        serde_json::from_str(&as_owner(&relay, "one", Method::Get, "/towline/v1/jobs", "").await.2).unwrap();
    let ids =
        |jobs: &[Value]| jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut newest = ids(listed["jobs"].as_array().unwrap());
    newest.reverse();
    let (kept, jobs) = page(Some("one")).await;
    assert_eq!((kept.as_str(), ids(&jobs)), ("no-store", newest[..30].to_vec()));
    assert_eq!(page(Some("other")).await, ("no-store".into(), vec![]));
    for stranger in [None, Some("watcher"), Some("nobody")] {
        assert_eq!(page(stranger).await, ("no-cache".into(), vec![]), "{stranger:?}");
    }
    relay.stop().await;
}
