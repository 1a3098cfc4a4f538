//! The blocking client.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use towline::api::{DeleteRequest, PullRequest};
use towline::blocking::Client;
use towline::client::Timeouts;
use towline::error::ErrorKind;
use towline::{Ending, Item};
use towline_testkit::records::ollama;
use towline_testkit::{Script, Server, http};

use crate::client_support::{SHORT, SOON, chat, text};

fn client(server: &Server) -> Client {
    Client::new(&server.url()).unwrap()
}

fn ending(items: &[Item]) -> &'static str {
    match items.last() {
        Some(Item::End(outcome)) => outcome.ending.as_str(),
        Some(Item::Event(_)) | None => panic!("no end: {items:?}"),
    }
}

#[test]
fn a_stream_is_an_iterator_with_an_end() {
    for (script, expected) in [
        (Script::ndjson(ollama::chat(&["Hel", "lo"])), "completed"),
        (Script::ndjson([ollama::chat_text("Hello")]), "truncated"),
        (Script::ndjson([ollama::chat_text("Hello"), ollama::error("boom")]), "failed"),
    ] {
        let server = Server::start(script);
        let mut stream = client(&server).chat(chat("m"));
        let items: Vec<Item> = stream.by_ref().collect();
        assert_eq!(ending(&items), expected);
        let Some(Item::End(outcome)) = items.last() else { panic!() };
        assert_eq!(outcome.reply.text, "Hello");
        assert!(stream.next().is_none() && stream.next().is_none());
    }
}

#[test]
fn text_and_outcome_are_collected() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hel", "lo"])));
    let client = client(&server);
    assert_eq!(client.chat(chat("m")).text().unwrap(), "Hello");
    assert!(client.clone().chat(chat("m")).collect_outcome().is_completed());
    assert_eq!(server.requests_per_connection(), [2], "a whole answer leaves its connection");
    let server = Server::start(Script::ndjson([ollama::chat_text("Hel")]));
    let outcome = Client::new(&server.url()).unwrap().chat(chat("m")).text().unwrap_err();
    assert_eq!(outcome.reply.text, "Hel");
}

#[test]
fn a_blocked_read_is_cancelled_from_another_thread() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(stream.next(), Some(Item::Event(text("Hel"))));
    let canceller = stream.canceller();
    let (reading, is_reading) = sync_channel(0);
    let reader = std::thread::spawn(move || {
        reading.send(()).unwrap();
        let items: Vec<Item> = stream.collect();
        (items, Instant::now())
    });
    is_reading.recv().unwrap();
    let before = Instant::now();
    canceller.cancel("enough");
    canceller.cancel("again");
    let (items, ended) = reader.join().unwrap();
    assert!(ended.duration_since(before) < Duration::from_secs(5));
    let [Item::End(outcome)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true });
    assert_eq!(outcome.reply.text, "Hel");
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[test]
fn dropping_a_stream_closes_its_connection() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let client = client(&server);
    let mut stream = client.chat(chat("m"));
    assert_eq!(stream.next(), Some(Item::Event(text("Hel"))));
    drop(stream);
    assert!(server.wait_for_close(0, SOON).is_some());
    // Also if the client was dropped first, and if the stream was never read.
    let mut stream = client.chat(chat("m"));
    drop(client);
    assert_eq!(stream.next(), Some(Item::Event(text("Hel"))), "the stream outlives its client");
    drop(stream);
    assert!(server.wait_for_close(1, SOON).is_some());
}

#[test]
fn text_that_came_while_nobody_read_arrives_joined() {
    let server = Server::start(
        Script::ndjson_open([ollama::chat_text("Hel"), ollama::chat_text("lo")])
            .wait("sent")
            .lines(ollama::chat(&["!"]))
            .end_chunks(),
    );
    let stream = client(&server).chat(chat("m"));
    server.open("sent");
    assert!(server.wait_until_at("sent", 1, SOON));
    let mut joined = String::new();
    for item in stream {
        match item {
            Item::Event(towline::Event::Text(piece)) => joined.push_str(&piece),
            Item::Event(_) => {}
            Item::End(outcome) => assert!(outcome.is_completed()),
        }
    }
    assert_eq!(joined, "Hello!");
}

#[test]
fn many_threads_share_one_client() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hel", "lo"])));
    let client = client(&server);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            let client = client.clone();
            scope.spawn(move || assert_eq!(client.chat(chat("m")).text().unwrap(), "Hello"));
        }
    });
    assert_eq!(server.requests().len(), 20);
}

#[test]
fn single_answers_and_errors() {
    let server = Server::start(Script::respond(200, http::JSON, r#"{"version":"1","models":null}"#));
    let client = client(&server);
    assert_eq!(client.version().unwrap().version, "1");
    assert!(client.list().unwrap().models.is_empty() && client.ps().unwrap().models.is_empty());
    client.delete(DeleteRequest { model: "m".into() }).unwrap();
    assert!(Client::new("ftp://x").is_err());

    let server = Server::start(Script::error(404, "model 'm' not found"));
    let client = Client::new(&server.url()).unwrap();
    let error = client.show(towline::api::ShowRequest::default()).unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::NotFound, Some(404)));
    let items: Vec<Item> = client.pull(PullRequest::default()).collect();
    assert_eq!(ending(&items), "failed");
}

#[test]
fn timeouts_end_a_blocked_read() {
    let server = Server::start(Script::request().stall());
    let inner = towline::Client::new(&server.url()).unwrap().with_request_config(|config| {
        config.timeouts = Timeouts { first_event: Some(SHORT), ..Timeouts::default() };
    });
    let client = Client::of(inner).unwrap();
    let items: Vec<Item> = client.chat(chat("m")).collect();
    assert_eq!(ending(&items), "timed_out");
    assert_eq!(client.version().unwrap_err().kind, ErrorKind::TimedOut);
}
