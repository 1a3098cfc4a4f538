//! Error statuses, and their messages.

use towline::Client;
use towline::client::RedirectPolicy;
use towline::error::{ErrorKind, Fault};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Plan, Script, Server, http};

use crate::client_support::{chat, client, client_with, read, soon};

const HTML: &str = "<html>\n<body>502\u{a0}Bad Gateway</body></html>";

/// Status, body, kind, whether it may have had an effect, and the message.
fn refusals() -> Vec<(u16, &'static str, ErrorKind, bool, &'static str)> {
    vec![
        (400, r#"{"error":"invalid format"}"#, ErrorKind::Rejected, false, "invalid format (status 400)"),
        (400, r#"{"error":{"message":"too long","code":400}}"#, ErrorKind::Rejected, false, "too long"),
        (401, r#"{"error":"unauthorized"}"#, ErrorKind::Unauthorized, false, "unauthorized"),
        (403, "", ErrorKind::Unauthorized, false, "status 403 and no explanation"),
        (404, r#"{"error":"model 'm' not found"}"#, ErrorKind::NotFound, false, "model 'm' not found"),
        (418, "short and stout", ErrorKind::Rejected, false, "short and stout"),
        (429, r#"{"error":"slow down"}"#, ErrorKind::Busy, false, "slow down"),
        (500, r#"{"error":"out of memory"}"#, ErrorKind::Server, true, "out of memory"),
        (500, r#"{"detail":"broken"}"#, ErrorKind::Server, true, "broken"),
        (502, HTML, ErrorKind::Server, true, "502 Bad Gateway (status 502)"),
        (503, r#"{"error":"server busy"}"#, ErrorKind::Busy, false, "server busy"),
        (304, "", ErrorKind::Redirect, false, "status 304"),
        (599, "\u{0}\u{1b}[31mred", ErrorKind::Server, true, "\u{fffd}[31mred"),
    ]
}

#[tokio::test]
async fn each_status_is_reported_by_kind_and_in_the_servers_words() {
    for (status, body, kind, effect, message) in refusals() {
        let server = Server::start(Script::respond(status, http::JSON, body));
        let client = client(&server);
        let (events, outcome) = read(client.chat(chat("m"))).await;
        assert!(events.is_empty() && outcome.retried.is_empty());
        let of_stream = outcome.ending.error().unwrap();
        assert_eq!(outcome.ending.as_str(), "failed");
        let of_single = soon(client.list()).await.unwrap_err();
        for error in [of_stream, of_single] {
            let case = format!("{status}: {error:?}");
            assert_eq!(
                (error.kind, error.fault, error.status),
                (kind, Fault::Server, Some(status)),
                "{case}"
            );
            assert_eq!(error.may_have_had_effect, effect, "{case}");
            assert!(error.message.contains(message), "{case}");
        }
        assert_eq!(server.requests().len(), 2, "{status} is not tried again");
    }
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_for_the_next_request() {
    let server = Server::start(vec![Script::error(404, "model 'm' not found")]);
    let client = client(&server);
    for _ in 0..3 {
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::NotFound);
    }
    assert_eq!(server.requests_per_connection(), [3]);
}

#[tokio::test]
async fn a_refusal_without_an_end_of_its_own_ends_with_the_connection() {
    for script in [
        Script::request().head(500, http::JSON, Body::UntilClose).send(r#"{"error":"boom"}"#).close(),
        Script::request().head(500, http::JSON, Body::Chunked).chunk(r#"{"error":"boom"}"#).close(),
        Script::lying_length(http::JSON, 999, "").then(Script::new()),
    ] {
        let server = Server::start(script);
        let (_, outcome) = read(client(&server).chat(chat("m"))).await;
        let error = outcome.ending.error().unwrap();
        if error.status == Some(500) {
            assert!(error.message.contains("boom"), "{error:?}");
        } else {
            assert_eq!(outcome.ending.as_str(), "truncated");
        }
    }
}

fn redirecting(status: u16, to: String) -> Script {
    let head = http::response_head(status, &[("Location", &to)], Body::Length(0));
    Script::request().send(head)
}

fn redirecting_to(other: &Server, status: u16) -> Server {
    Server::start(redirecting(status, format!("{}/api/chat", other.url())))
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_server_only() {
    let server = Server::start(Plan::by_request(|request| match request.path() {
        "/api/chat" => redirecting(307, "/elsewhere/chat?x=1".into()),
        _ => Script::ndjson(ollama::chat(&["Hi"])),
    }));
    let (_, outcome) = read(client(&server).chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    let requests = server.requests();
    assert_eq!(requests[1].target, "/elsewhere/chat?x=1");
    assert_eq!(requests[0].body, requests[1].body);

    let other = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    // A POST that browsers would turn into a GET, another host, a loop.
    let around = Server::start(redirecting(308, "/api/chat".into()));
    for (server, message) in [
        (redirecting_to(&other, 302), "was answered with 302"),
        (redirecting_to(&other, 307), "to another host"),
        (around, "more than 10 times"),
    ] {
        let (_, outcome) = read(client(&server).chat(chat("m"))).await;
        let error = outcome.ending.error().unwrap();
        assert_eq!((outcome.ending.as_str(), error.kind), ("failed", ErrorKind::Redirect), "{error:?}");
        assert!(error.message.contains(message), "{error:?}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn redirects_can_be_allowed_anywhere_or_nowhere() {
    let other = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let server = redirecting_to(&other, 307);
    let with = |policy| -> Client { client_with(&server, |config| config.transport.redirects = policy) };
    let (_, outcome) = read(with(RedirectPolicy::Any).chat(chat("m"))).await;
    assert_eq!(outcome.reply.text, "Hi");
    let (_, outcome) = read(with(RedirectPolicy::Never).chat(chat("m"))).await;
    let error = outcome.ending.error().unwrap();
    assert_eq!((error.kind, error.status), (ErrorKind::Redirect, Some(307)));
}
