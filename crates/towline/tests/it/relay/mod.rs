//! Streams through a relay, with a relay in the test.

mod attach;
mod control;
mod cuts;
mod cutter;
mod endings;
mod engine;
mod fake;
mod many;
mod own;
mod submit;

use std::time::Duration;

use serde_json::{Value, json};
use towline::relay::{Reconnect, RelayConfig, Via};
use towline::{Client, Config};
use towline_testkit::records::ollama;

use crate::client_support::client_to;
use fake::{FakeLog, Relay};

/// A relay's log of a chat, record by record.
fn records(texts: &[&str]) -> Vec<u8> {
    ollama::chat(texts).into_iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

fn piece(text: &str) -> Vec<u8> {
    format!("{}\n", ollama::chat_text(text)).into_bytes()
}

fn done() -> Vec<u8> {
    records(&[])
}

/// A relay that answers every chat with these pieces.
fn answering(texts: &'static [&'static str]) -> Relay {
    Relay::tcp(|_: &Value| FakeLog::whole(records(texts)))
}

/// A relay whose answers the test writes.
fn writing() -> Relay {
    Relay::tcp(|_: &Value| FakeLog::open())
}

/// Short waits that do not slow down tests.
fn quick() -> RelayConfig {
    let reconnect = Reconnect {
        first_wait: Duration::from_millis(2),
        max_wait: Duration::from_millis(50),
        ..Reconnect::default()
    };
    RelayConfig { reconnect, ..RelayConfig::default() }
}

fn client(url: &str) -> Client {
    client_with(url, |_| ())
}

fn client_with(url: &str, change: impl FnOnce(&mut RelayConfig)) -> Client {
    let mut relay = quick();
    change(&mut relay);
    client_to(url, |config: &mut Config| config.via = Via::Relay(relay))
}

/// A task of the test itself.
#[expect(clippy::disallowed_methods, reason = "each of a test's readers stands for a program of its own")]
fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

/// Waits for the work of another thread.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[test]
fn the_records_of_these_tests_are_whole_answers() {
    let text = String::from_utf8(records(&["a", "b"])).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((text.lines().count(), &last["done"]), (3, &json!(true)));
}
