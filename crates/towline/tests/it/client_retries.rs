//! When a request is retried automatically: only if a retry cannot repeat a side effect, and never silently.

use std::time::Duration;

use towline::client::{RetryPolicy, Timeouts};
use towline::error::{ErrorKind, Fault};
use towline::outcome::Clock;
use towline::{Ending, Error};
use towline_testkit::ports::Refusing;
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Body, Plan, Routes, Script, Server, http};

use crate::client_support::{
    MILLISECOND, NO_TIMEOUTS, SHORT, SOON, chat, client, client_to, client_with, next_end, next_event, read,
    read_until, soon, text,
};

/// A refusal with `Retry-After`.
fn busy(status: u16, retry_after: &str) -> Script {
    let body = r#"{"error":"server busy"}"#;
    let headers = [("Content-Type", http::JSON), ("Retry-After", retry_after)];
    let head = http::response_head(status, &headers, Body::Length(body.len() as u64));
    Script::request().send([&head, body.as_bytes()].concat())
}

fn answer() -> Script {
    Script::ndjson(ollama::chat(&["Hi"]))
}

fn at_once() -> RetryPolicy {
    RetryPolicy { first_wait: MILLISECOND, ..RetryPolicy::default() }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says_so() {
    for status in [429, 503] {
        let plan = Routes::new().path_each("/api/chat", [busy(status, "0"), busy(status, "0"), answer()]);
        let server = Server::start(plan);
        let client = client_with(&server, |config| config.retry = at_once());
        let (events, outcome) = read(client.chat(chat("m"))).await;
        assert!(outcome.is_completed(), "{outcome:?}");
        assert_eq!(events[0], text("Hi"));
        let retried: Vec<_> = outcome.retried.iter().map(|error| (error.kind, error.status)).collect();
        assert_eq!(retried, [(ErrorKind::Busy, Some(status)); 2]);
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|request| request.body == requests[0].body));
        assert_eq!(server.requests_per_connection(), [3], "on one connection");
    }
}

#[tokio::test]
async fn tries_are_bounded() {
    let server = Server::start(busy(503, "0"));
    for max_tries in [1, 2, 5] {
        let before = server.requests().len();
        let retry = RetryPolicy { max_tries, ..at_once() };
        let client = client_with(&server, |config| config.retry = retry);
        let (_, outcome) = read(client.chat(chat("m"))).await;
        let error = outcome.ending.error().unwrap();
        assert_eq!((error.kind, error.may_have_had_effect), (ErrorKind::Busy, false));
        assert_eq!(outcome.retried.len() as u32, max_tries - 1);
        assert_eq!((server.requests().len() - before) as u32, max_tries);
        // Single answers are retried as often, and report it.
        let error = soon(client.list()).await.unwrap_err();
        assert_eq!(error.message.contains(&format!("({max_tries} tries)")), max_tries > 1, "{error:?}");
        assert_eq!((server.requests().len() - before) as u32, 2 * max_tries);
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let refusing = Refusing::new().unwrap();
    let client = client_to(&format!("http://{}", refusing.addr()), |config| config.retry = at_once());
    let (_, outcome) = read(client.chat(chat("m"))).await;
    let error = outcome.ending.error().unwrap();
    assert_eq!(
        (error.kind, error.fault, error.may_have_had_effect),
        (ErrorKind::Connect, Fault::Transport, false)
    );
    assert!(error.message.contains("refused"), "{error:?}");
    assert_eq!(outcome.retried, [error.clone(), error.clone()]);

    // Once it listens, the request goes through.
    let addr = refusing.addr();
    let client = client_to(&format!("http://{addr}"), |_| ());
    let mut stream = client.chat(chat("m"));
    read_until(&mut stream, |stream| stream.retried().len() == 1).await;
    drop(refusing);
    let server = Server::listen(addr, answer()).unwrap();
    let (_, outcome) = read(stream).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!((outcome.retried[0].kind, server.requests().len()), (ErrorKind::Connect, 1));
}

#[tokio::test]
async fn nothing_else_is_tried_again() {
    let cut = || Script::request().head(200, http::NDJSON, Body::Chunked);
    for script in [
        Script::error(503, "no Retry-After"),
        Script::error(429, "no Retry-After"),
        busy(503, "Sun, 06 Nov 2044 08:49:37 GMT"),
        busy(503, "tomorrow"),
        busy(503, "31"),
        busy(500, "0"),
        busy(408, "0"),
        Script::request().close(),
        Script::request().reset(),
        cut().close(),
        cut().reset(),
        cut().end_chunks(),
        Script::ndjson_open([ollama::chat_text("Hel")]).close(),
        Script::ndjson([ollama::error("server busy")]),
        Script::ndjson(["<html>"]),
    ] {
        let case = format!("{script:?}");
        let server = Server::start(script);
        let client = client_with(&server, |config| config.retry = at_once());
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert!(!outcome.is_completed() && outcome.retried.is_empty(), "{case}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "{case}");
    }
}

#[tokio::test]
async fn the_server_is_given_the_time_it_asked_for() {
    let server = Server::start(Routes::new().path_each("/api/chat", [busy(503, "7"), answer()]));
    let mut stream = client(&server).chat(chat("m")).with_timeouts(NO_TIMEOUTS);
    read_until(&mut stream, |stream| stream.retried().len() == 1).await;
    assert_eq!(stream.retried()[0].retry_after, Some(Duration::from_secs(7)));
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    // Without timeouts the wait is the only timer, so the paused clock cannot run ahead of the sockets.
    let first = stream.next().await.unwrap();
    assert_eq!(first, towline::Item::Event(text("Hi")));
    assert!(before.elapsed() >= Duration::from_secs(7), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_date_to_come_back_at_counts_from_the_answers_own_date() {
    let dates = [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:49:44 GMT")];
    let head = http::response_head(503, &dates, Body::Length(0));
    let server = Server::start(Script::request().send(head));
    let mut stream = client(&server).chat(chat("m")).with_timeouts(NO_TIMEOUTS);
    read_until(&mut stream, |stream| stream.retried().len() == 1).await;
    assert_eq!(stream.retried()[0].retry_after, Some(Duration::from_secs(7)));
}

/// A gateway's page in an encoding that was not requested is still a refusal with its status.
#[tokio::test]
async fn an_error_page_that_cannot_be_read_keeps_its_status() {
    let headers = [("Content-Encoding", "br"), ("Content-Type", "text/html")];
    let head = http::response_head(502, &headers, Body::Length(6));
    let server = Server::start(Script::request().send(head).send(b"\x8b\x02\x80\xff\x00\x03"));
    let (_, outcome) = read(client(&server).chat(chat("m"))).await;
    let error = outcome.ending.error().unwrap();
    assert_eq!((error.kind, error.status), (ErrorKind::Server, Some(502)), "{error:?}");
    assert_eq!(error.message, "the server answered with status 502 and no explanation");
}

/// LM Studio has only OpenAI's endpoints, and says so with status 200.
#[tokio::test]
async fn a_server_that_says_under_status_200_that_it_has_no_such_endpoint_is_asked_by_openais() {
    let unexpected = r#"{"error":"Unexpected endpoint or method. (POST /api/chat)"}"#;
    let server = Server::start(
        Routes::new()
            .path("/api/chat", Script::respond(200, http::JSON, unexpected))
            .path("/v1/chat/completions", Script::sse([openai::text("Hi"), openai::finish("stop")])),
    );
    let (_, outcome) = read(client(&server).chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(outcome.reply.text, "Hi");
}

#[tokio::test]
async fn a_stopped_stream_is_not_tried_again() {
    // While it waits for its next try.
    let server = Server::start(busy(503, "20"));
    let mut stream = client(&server).chat(chat("m"));
    read_until(&mut stream, |stream| stream.retried().len() == 1).await;
    stream.cancel("enough");
    let outcome = next_end(&mut stream).await;
    assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: false });
    assert_eq!(outcome.retried.len(), 1);

    // While the refusal is still arriving.
    let head = http::response_head(503, &[("Retry-After", "0")], Body::Length(100));
    let server = Server::start(Script::request().send([&head[..], b"busy"].concat()).stall());
    let mut stream = client(&server).chat(chat("m"));
    read_until(&mut stream, |stream| stream.stats().received_bytes == 4).await;
    stream.cancel("enough");
    let outcome = next_end(&mut stream).await;
    assert_eq!(outcome.ending.error().unwrap().status, Some(503));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_total_clock_runs_through_all_tries() {
    let server = Server::start(busy(503, "20"));
    let timeouts = Timeouts { total: Some(SHORT), ..Timeouts::default() };
    let (_, outcome) = read(client(&server).chat(chat("m")).with_timeouts(timeouts)).await;
    let total = Ending::TimedOut { clock: Clock::Total, limit: SHORT, may_have_had_effect: false };
    assert_eq!((outcome.ending, outcome.retried.len()), (total, 1));
    let client = client_with(&server, |config| config.timeouts = timeouts);
    assert_eq!(soon(client.list()).await.unwrap_err().kind, ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_connection_that_died_while_idle_is_not_used() {
    let server = Server::start(Plan::from([answer().then(Script::new().wait("idle").close()), answer()]));
    let client = client(&server);
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert!(outcome.is_completed());
    server.open("idle");
    assert!(server.wait_until_over(0, SOON));
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert!(outcome.is_completed() && outcome.retried.is_empty(), "{outcome:?}");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn earlier_tries_can_be_seen_while_the_stream_runs() {
    let server =
        Server::start(Routes::new().path_each(
            "/api/chat",
            [busy(503, "0"), Script::ndjson_open([ollama::chat_text("Hel")]).stall()],
        ));
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    assert_eq!(stream.retried().len(), 1);
    drop(stream);
}

#[test]
fn only_what_certainly_had_no_effect_is_safe() {
    let policy = RetryPolicy::default();
    let lost = Error::new(ErrorKind::ConnectionLost, Fault::Transport, "lost");
    assert!(policy.wait_after(&lost, 1, 0.5).is_some(), "nothing was sent");
    assert!(policy.wait_after(&lost.clone().with_effect(true), 1, 0.5).is_none());
    assert!(policy.wait_after(&lost, 3, 0.5).is_none());
    // Between half and all of the nominal wait.
    let waits: Vec<_> =
        [0.0, 1.0].iter().map(|jitter| policy.wait_after(&lost, 2, *jitter).unwrap()).collect();
    assert_eq!(waits, [Duration::from_millis(250), Duration::from_millis(500)]);
}
