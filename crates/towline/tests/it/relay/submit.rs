//! A request is submitted once, and its answer is read.

use std::time::Duration;

use serde_json::Value;
use towline::client::Timeouts;
use towline::error::ErrorKind;

use super::fake::{FakeLog, Relay};
use super::{answering, client, client_with, cutter::Cutter, done, piece, records, until, writing};
use crate::client_support::{NO_TIMEOUTS, chat, client_to, next_event, read, soon};

#[tokio::test]
async fn an_answer_comes_as_it_would_from_a_server() {
    let relay = answering(&["Hel", "lo"]);
    let client = client_with(&relay.url, |relay| relay.name = Some("greeting".into()));
    let mut stream = client
        .chat(chat("m"))
        .with_timeouts(Timeouts { total: Some(Duration::from_secs(60)), ..NO_TIMEOUTS });
    assert_eq!(stream.relay_id(), None);
    next_event(&mut stream).await;
    assert_eq!(stream.relay_id(), Some("job0"));
    let (_, outcome) = read(stream).await;
    assert!(outcome.is_completed(), "{outcome}");
    assert_eq!((outcome.reply.text.as_str(), outcome.stats.reconnects), ("Hello", 0));

    let seen = relay.shared.requests.lock().unwrap()[0].clone();
    assert_eq!(seen.line, "POST /api/chat");
    assert_eq!((&*seen.headers["towline-detach"], &*seen.headers["towline-name"]), ("true", "greeting"));
    let deadline: f64 = seen.headers["towline-deadline"].parse().unwrap();
    assert!((0.0..=60.0).contains(&deadline), "{deadline}");
    assert_eq!((&seen.body["model"], &seen.body["stream"]), (&Value::from("m"), &Value::from(true)));
    // The relay gets no other request: the trailers say that the log is closed.
    assert_eq!(relay.lines(), ["POST /api/chat", "GET /streams/job0?offset=-1&live=raw"]);
}

#[tokio::test]
async fn a_unix_socket_is_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let relay =
        Relay::unix(&folder.path().join("relay.sock"), |_| FakeLog::whole(records(&["over a socket"])));
    let client = client(&relay.url);
    for _ in 0..3 {
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(outcome.reply.text, "over a socket");
    }
    assert_eq!(relay.counts().connections, 1);
}

#[tokio::test]
async fn dropping_a_stream_leaves_it_running() {
    let relay = writing();
    let client = client(&relay.url);
    let mut stream = client.chat(chat("m"));
    let begun = async {
        until("the job", || relay.has_job()).await;
        relay.job(0).log.push(&piece("Hel"));
    };
    tokio::join!(begun, next_event(&mut stream));
    let id = stream.relay_id().unwrap().to_owned();
    drop(stream);
    until("the reader is gone", || relay.counts().reads == 0).await;
    relay.job(0).log.push(&[piece("lo"), done()].concat());
    relay.job(0).log.close();
    let text = soon(client.attach(&id, towline::relay::Start::Beginning).text()).await.unwrap();
    assert_eq!((text.as_str(), relay.count("POST")), ("Hello", 1));
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_not_run_twice() {
    let relay = answering(&["once"]);
    let target = relay.url.strip_prefix("http://").unwrap().parse().unwrap();
    // The settings of HTTP/2 pass, the response does not.
    for bytes in [40, 60, 80, 100, 120] {
        let cutter = Cutter::start(target, 3, bytes..bytes + 1, 7);
        let before = relay.shared.jobs.lock().unwrap().len();
        let client = client_with(&cutter.url, |relay| relay.silence = Duration::from_millis(200));
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(outcome.reply.text, "once", "{bytes}: {outcome}");
        assert_eq!(relay.shared.jobs.lock().unwrap().len(), before + 1, "{bytes}");
    }
}

#[tokio::test]
async fn what_the_relay_refuses_fails_as_a_server_s_refusal_does() {
    let relay = answering(&[]);
    let outcome = read(client(&format!("{}/elsewhere", relay.url)).chat(chat("m"))).await.1;
    let error = outcome.ending.error().unwrap();
    assert_eq!((error.kind, error.status), (ErrorKind::NotFound, Some(404)), "{error}");
}

#[tokio::test]
async fn a_server_that_is_no_relay_is_named_as_such() {
    let server = towline_testkit::Server::start(towline_testkit::Script::ndjson(
        towline_testkit::records::ollama::chat(&["hi"]),
    ));
    let outcome = read(
        client_to(&server.url(), |config| {
            config.via = towline::relay::Via::Relay(towline::relay::RelayConfig {
                reconnect: towline::relay::Reconnect { give_up_after: Duration::ZERO, ..Default::default() },
                ..Default::default()
            });
            config.transport.http2.policy = towline::client::Http2Policy::Never;
        })
        .chat(chat("m")),
    )
    .await
    .1;
    let error = outcome.ending.error().unwrap();
    assert!(error.message.contains("not a Towline relay"), "{error}");
}

#[tokio::test]
async fn a_stream_is_left_to_the_relay_as_soon_as_that_has_it() {
    let relay = writing();
    assert_eq!(soon(client(&relay.url).chat(chat("m")).detach()).await.unwrap(), "job0");
    assert_eq!(*relay.job(0).state.borrow(), "streaming");
    let outcome = soon(client("http://127.0.0.1:1").chat(chat("m")).detach()).await.unwrap_err();
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::Connect);
    let outcome = soon(client_to(&relay.url, |_| ()).chat(chat("m")).detach()).await.unwrap_err();
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::InvalidRequest);
}
