//! Who reads the streams: a program that counts newlines, the client, and jobs of the engine.

use std::net::SocketAddr;

use towline::client::{Http2Policy, host};
use towline::engine::{Reader, StartAt};
use towline::{ChatRequest, Client, Engine, EngineConfig, Event, Item};

use crate::counter;
use crate::measure::runtime;

pub(crate) const COUNTER: &str = "newline counter";
pub(crate) const CLIENT: &str = "towline Client";
/// A job whose reader is awaited on the engine's own runtime.
pub(crate) const ENGINE: &str = "towline Engine";
/// A job whose reader is awaited on a runtime of the caller's, on another thread.
pub(crate) const ENGINE_ACROSS: &str = "towline Engine, read from another runtime";
/// A job that nobody reads: its end is waited for.
pub(crate) const ENGINE_UNREAD: &str = "towline Engine, unread";

pub(crate) const CONTENDERS: [&str; 5] = [COUNTER, CLIENT, ENGINE, ENGINE_ACROSS, ENGINE_UNREAD];
/// The same over HTTP/2 without TLS, which a user chooses by a policy.
pub(crate) const HTTP2_CLIENT: &str = "towline Client, HTTP/2";
pub(crate) const HTTP2_ENGINE: &str = "towline Engine, HTTP/2";

/// Reads one whole stream of so many records.
pub(crate) fn read(contender: &str, url: &str, model: &str, records: u64) {
    let request = ChatRequest::new(model).user("Hi");
    let seen = match contender {
        COUNTER => runtime().block_on(by_counter(url, model)),
        CLIENT | HTTP2_CLIENT => runtime().block_on(by_client(client(contender, url), request)),
        _ => by_engine(contender, url, request),
    };
    assert_eq!(seen, records, "{contender}");
}

/// The client that this contender uses.
pub(crate) fn client(contender: &str, url: &str) -> Client {
    let policy = match contender {
        HTTP2_CLIENT | HTTP2_ENGINE => Http2Policy::PriorKnowledge,
        _ => Http2Policy::default(),
    };
    let mut config = towline::Config::default();
    config.transport.http2.policy = policy;
    Client::with_config(host::parse(url).unwrap(), config).unwrap()
}

async fn by_counter(url: &str, model: &str) -> u64 {
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    // The last line is the terminal record's.
    counter::count(&mut counter::connect(address).await, model).await - 1
}

async fn by_client(client: Client, request: ChatRequest) -> u64 {
    let mut stream = client.chat(request);
    let mut texts = 0;
    while let Some(item) = stream.next().await {
        match item {
            Item::Event(Event::Text(text)) => texts += u64::from(!text.is_empty()),
            Item::Event(_) => {}
            Item::End(outcome) => assert!(outcome.is_completed()),
        }
    }
    texts
}

fn by_engine(contender: &str, url: &str, request: ChatRequest) -> u64 {
    let engine = Engine::start(EngineConfig::default()).unwrap();
    let job = engine.chat(&client(contender, url), request);
    let reader = job.reader(StartAt::Beginning);
    let read = match contender {
        ENGINE | HTTP2_ENGINE => engine.spawn("reader", read_all(reader)).wait().unwrap().unwrap(),
        ENGINE_ACROSS => runtime().block_on(read_all(reader)),
        ENGINE_UNREAD => job.wait().unwrap().reply.text.len(),
        other => panic!("{other} is not known"),
    };
    let outcome = job.wait().unwrap();
    assert!(outcome.is_completed());
    assert_eq!(read, outcome.reply.text.len(), "the reader gets all of the text");
    outcome.stats.records - 1
}

/// How many bytes of text the reader was given.
async fn read_all(mut reader: Reader) -> usize {
    let mut bytes = 0;
    while let Some(batch) = reader.next().await {
        for event in batch.events {
            bytes += if let Event::Text(text) = event { text.len() } else { 0 };
        }
    }
    bytes
}
