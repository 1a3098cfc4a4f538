//! Connections: closed at once when a stream is dropped, kept after it finishes, and never waited for.

use std::time::Duration;

use futures_core::{FusedStream, Stream as _};
use towline::client::{PoolConfig, RetryPolicy};
use towline::error::ErrorKind;
use towline::{Client, Event, Item};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Plan, Script, Server, http};

use crate::client_support::{
    SOON, chat, client, client_to, client_with, next_event, read, soon, text, yielding_until,
};

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let open = || Script::ndjson_open([ollama::chat_text("Hel")]);
    for (script, events) in [
        (Script::request().wait("there").stall(), 0),
        (Script::request().head(200, http::NDJSON, Body::Chunked).wait("there").stall(), 0),
        (open().wait("there").stall(), 1),
        // With much data still unread.
        (open().chunk(vec![b' '; 1 << 20]).wait("there").stall(), 1),
        (open().line(ollama::chat_done("stop", 1)).wait("there").stall(), 1),
    ] {
        let server = Server::start(script);
        let mut stream = client(&server).chat(chat("m"));
        if events == 1 {
            assert_eq!(next_event(&mut stream).await, text("Hel"));
        } else {
            tokio::select! {
                item = stream.next() => panic!("{item:?}"),
                () = yielding_until(|| server.wait_until_at("there", 1, Duration::ZERO)) => {}
            }
        }
        assert!(server.closed(0).is_none());
        drop(stream);
        assert!(server.wait_for_close(0, SOON).is_some());
    }
}

#[tokio::test]
async fn dropping_a_future_of_a_stream_closes_its_connection() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let client = client(&server);
    tokio::select! {
        outcome = client.chat(chat("m")).collect() => panic!("{outcome:?}"),
        () = yielding_until(|| server.sent_bytes(0) > 200) => {}
    }
    assert!(server.wait_for_close(0, SOON).is_some());
    // Dropping the future of `next` loses nothing.
    let mut stream = client.chat(chat("m"));
    let mut looks = 0;
    let item = loop {
        tokio::select! {
            biased;
            item = stream.next() => break item,
            () = tokio::task::yield_now() => looks += 1,
        }
    };
    assert_eq!(item, Some(Item::Event(text("Hel"))));
    assert!(looks > 0);
}

#[tokio::test]
async fn a_finished_stream_leaves_its_connection_for_the_next() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hel", "lo"])));
    let client = client(&server);
    for round in 0..5 {
        let stream = client.chat(chat("m"));
        match round {
            0 => assert_eq!(soon(stream.text()).await.unwrap(), "Hello"),
            1 => assert!(soon(stream.collect()).await.is_completed()),
            2 => {
                let mut events = Vec::new();
                assert!(soon(stream.for_each(|event| events.push(event))).await.is_completed());
                assert_eq!(events[..2], [text("Hel"), text("lo")]);
            }
            // Also when it is dropped right at its end, and when another clone of the client continues.
            _ => assert!(read(stream).await.1.is_completed()),
        }
    }
    assert!(read(client.clone().chat(chat("m"))).await.1.is_completed());
    assert_eq!(server.requests_per_connection(), [6]);
}

#[tokio::test]
async fn idle_connections_are_bounded() {
    let server = Server::start(
        Script::ndjson_open([ollama::chat_text("Hel")]).wait("go").lines(ollama::chat(&["lo"])).end_chunks(),
    );
    let client = client_with(&server, |config| {
        config.transport.pool = PoolConfig { max_idle_per_host: 3, ..PoolConfig::default() };
    });
    let mut streams: Vec<_> = (0..10).map(|_| client.chat(chat("m"))).collect();
    for stream in &mut streams {
        assert_eq!(next_event(stream).await, text("Hel"));
    }
    server.open("go");
    for stream in streams {
        assert!(read(stream).await.1.is_completed());
    }
    yielding_until(|| (0..10).filter(|&id| server.closed(id).is_some()).count() == 7).await;
    assert_eq!(server.open_connections(), 3);
}

#[tokio::test]
async fn many_streams_of_one_client_all_start_at_once() {
    const MANY: usize = 150;
    let server = Server::start(
        Script::ndjson_open([ollama::chat_text("Hel")]).wait("all").lines(ollama::chat(&["lo"])).end_chunks(),
    );
    let client = client(&server);
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let mut stream = client.chat(chat("m"));
        streams.spawn(async move {
            assert_eq!(next_event(&mut stream).await, text("Hel"));
            read(stream).await.1
        });
    }
    // None ends before all have begun: no stream waits for another's connection.
    yielding_until(|| server.wait_until_at("all", MANY as u64, Duration::ZERO)).await;
    server.open("all");
    while let Some(outcome) = soon(streams.join_next()).await {
        let outcome = outcome.unwrap();
        assert!(outcome.is_completed() && outcome.reply.text == "Hello", "{outcome:?}");
    }
    assert_eq!(server.connections(), MANY);
}

#[tokio::test]
async fn a_slow_reader_loses_nothing() {
    let lines: Vec<String> = (0..20_000).map(|n| ollama::chat_text(&format!("{n} "))).collect();
    let server = Server::start(Script::ndjson(lines.iter().cloned().chain([ollama::chat_done("stop", 0)])));
    let mut stream = client(&server).chat(chat("m"));
    let mut expected = 0..20_000;
    loop {
        match soon(stream.next()).await.unwrap() {
            Item::Event(Event::Text(piece)) => {
                assert_eq!(piece, format!("{} ", expected.next().unwrap()));
                if piece.ends_with("00 ") {
                    tokio::task::yield_now().await;
                }
            }
            Item::Event(_) => {}
            Item::End(outcome) => {
                assert!(outcome.is_completed() && expected.next().is_none());
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_is_a_futures_stream() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let mut stream = Box::pin(client(&server).chat(chat("m")));
    assert!(!stream.is_terminated());
    let mut items = Vec::new();
    while let Some(item) = soon(std::future::poll_fn(|cx| stream.as_mut().poll_next(cx))).await {
        items.push(item);
    }
    assert!(stream.is_terminated());
    assert!(matches!(&items[..], [Item::Event(_), Item::Event(Event::Usage(_)), Item::End(_)]), "{items:?}");
    assert!(soon(std::future::poll_fn(|cx| stream.as_mut().poll_next(cx))).await.is_none());
}

#[tokio::test]
async fn a_client_outside_a_runtime_is_made_and_used_inside_one() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let client = std::thread::spawn({
        let url = server.url();
        move || Client::new(&url).unwrap()
    })
    .join()
    .unwrap();
    assert!(read(client.chat(chat("m"))).await.1.is_completed());
    // Another runtime does not get this connection, which only its own runtime can drive.
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { read(client.chat(chat("m"))).await.1.is_completed() })
    });
    assert!(elsewhere.join().unwrap());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_server_closing_after_a_whole_answer_does_no_harm() {
    let server = Server::start(Plan::from(Script::ndjson(ollama::chat(&["Hi"])).close()));
    let client = client(&server);
    for _ in 0..3 {
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert!(outcome.is_completed(), "{outcome:?}");
        assert!(server.wait_until_over(server.connections() - 1, SOON));
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_host_that_is_no_host_is_reported_when_the_client_is_created() {
    for host in ["ftp://x", "http://user:sec/ret@x", "a b", "unix:relative", "x:70000", "user:secret@x:port"]
    {
        let error = Client::new(host).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(!error.message.contains("sec"), "{error}");
    }
    let nowhere = client_to("http://no-such-host.invalid", |config| {
        config.retry = RetryPolicy::NEVER;
    });
    let (_, outcome) = read(nowhere.chat(chat("m"))).await;
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::Connect);
}
