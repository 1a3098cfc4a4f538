//! Keys and headers are sent only to their server: to no other host, and in no message or `Debug` output.

use towline::client::{ApiKey, RedirectPolicy};
use towline::error::ErrorKind;
use towline::{Client, Config};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Script, Server, http};

use crate::client_support::{chat, client_to, client_with, read, soon};

const KEY: &str = "sk-very-secret";
const TENANT: &str = "tenant-secret";

fn secret(config: &mut Config) {
    config.api_key = Some(ApiKey::new(format!(" {KEY}\n")));
    config.headers = vec![("X-Tenant".into(), TENANT.into())];
}

fn redirecting(to: &str) -> Script {
    Script::request().send(http::response_head(307, &[("Location", to)], Body::Length(0)))
}

fn answer() -> Script {
    Script::ndjson(ollama::chat(&["Hi"]))
}

#[tokio::test]
async fn the_key_and_the_headers_go_with_every_request() {
    let server = Server::start(answer());
    let client = client_with(&server, secret);
    drop(read(client.chat(chat("m"))).await);
    assert!(soon(client.list()).await.is_err());
    assert!(soon(client.blob_exists(&format!("sha256:{}", "0".repeat(64)))).await.is_ok());
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer sk-very-secret"));
        assert_eq!(request.header("x-tenant"), Some(TENANT));
        assert!(request.header("user-agent").unwrap().starts_with("towline/"));
    }
}

#[tokio::test]
async fn a_given_header_takes_the_place_of_the_clients_own() {
    let server = Server::start(answer());
    let client = client_with(&server, |config| {
        secret(config);
        config.headers = [("authorization", "Basic x"), ("User-agent", "mine"), ("ACCEPT", "*/*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    });
    drop(read(client.chat(chat("m"))).await);
    let request = &server.requests()[0];
    let of = |wanted: &str| -> Vec<&str> {
        let named = request.headers.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("authorization"), ["Basic x"]);
    assert_eq!(of("user-agent"), ["mine"]);
    assert_eq!(of("accept"), ["*/*"]);
    assert_eq!(of("content-type"), ["application/json"]);
}

#[tokio::test]
async fn an_empty_key_is_no_key() {
    let server = Server::start(answer());
    drop(read(client_with(&server, |config| config.api_key = Some(ApiKey::new(" "))).chat(chat("m"))).await);
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn secrets_stay_at_home_when_a_redirect_leads_elsewhere() {
    let other = Server::start(answer());
    let server = Server::start(redirecting(&format!("{}/api/chat", other.url())));
    // By default the redirect is not even followed.
    let (_, outcome) = read(client_with(&server, secret).chat(chat("m"))).await;
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::Redirect);
    assert_eq!(other.connections(), 0);

    let anywhere = client_with(&server, |config| {
        secret(config);
        config.transport.redirects = RedirectPolicy::Any;
    });
    let (_, outcome) = read(anywhere.chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    let head = String::from_utf8(other.requests()[0].head.clone()).unwrap();
    assert!(!head.contains(KEY) && !head.contains(TENANT), "{head}");
    assert!(other.requests()[0].header("content-type").is_some());

    // On the same server they are sent along.
    let server = Server::start(
        towline_testkit::Routes::new().path("/api/chat", redirecting("/v2/chat")).otherwise(answer()),
    );
    drop(read(client_with(&server, secret).chat(chat("m"))).await);
    assert_eq!(server.requests()[1].header("x-tenant"), Some(TENANT));
    assert_eq!(server.requests()[1].header("authorization"), Some("Bearer sk-very-secret"));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let with_proxy = |config: &mut Config| {
        secret(config);
        config.transport.proxy.url = Some(format!("http://user:{KEY}@127.0.0.1:9"));
    };
    let mut shown = Vec::new();
    for script in [
        answer(),
        Script::error(401, "who are you?"),
        Script::request().close(),
        redirecting("http://127.0.0.1:9/"),
        Script::request().send("HTTP/1.1 200\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ] {
        let server = Server::start(script);
        let client = client_with(&server, with_proxy);
        let stream = client.chat(chat("m"));
        shown.push(format!("{client:?} {stream:?} {:?}", client.config()));
        let outcome = read(stream).await.1;
        shown.push(format!("{outcome:?} {outcome} {:#?}", outcome.ending.error()));
    }
    // A base path can be a key too.
    let secret_path = client_to(&format!("http://127.0.0.1:9/{KEY}"), |config| {
        config.retry = towline::client::RetryPolicy::NEVER;
    });
    let outcome = read(secret_path.chat(chat("m"))).await.1;
    shown.push(format!("{secret_path:?} {outcome:?} {outcome}"));
    // The message does not repeat a value that cannot be sent.
    let bad = client_to("http://127.0.0.1:9", |config| {
        config.headers = vec![("X-Tenant".into(), format!("{TENANT}\r\nX-More: 1"))];
        config.api_key = Some(ApiKey::new(format!("{KEY}\nx")));
    });
    shown.push(format!("{bad:?}"));
    let server = Server::start(answer());
    let bad = Client::with_config(towline::client::host::parse(&server.url()).unwrap(), bad.config().clone())
        .unwrap();
    let outcome = read(bad.chat(chat("m"))).await.1;
    let error = outcome.ending.error().unwrap();
    assert_eq!((error.kind, error.may_have_had_effect), (ErrorKind::InvalidRequest, false), "{error:?}");
    assert!(server.requests().is_empty());
    shown.push(format!("{outcome:?} {error}"));
    for text in shown {
        assert!(!text.contains("secret"), "{text}");
    }
}
