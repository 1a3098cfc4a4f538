//! Helpers for the client's tests.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use towline::client::{Timeouts, host};
use towline::event::Phase;
use towline::{ChatRequest, Client, Config, Event, Item, Outcome, Stream};
use towline_testkit::Server;

/// Long enough to mean "never" on a busy machine; no passing test waits for it.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A time limit that is reached within a test.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) fn client(server: &Server) -> Client {
    client_with(server, |_| ())
}

pub(crate) fn client_with(server: &Server, change: impl FnOnce(&mut Config)) -> Client {
    client_to(&server.url(), change)
}

pub(crate) fn client_to(url: &str, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config::default();
    change(&mut config);
    Client::with_config(host::parse(url).unwrap(), config).unwrap()
}

/// A chat with the model of this name.
pub(crate) fn chat(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("Hi")
}

/// Timeouts that are all off, except those that the caller sets.
pub(crate) const NO_TIMEOUTS: Timeouts =
    Timeouts { connect: None, first_event: None, idle: None, record: None, total: None };

/// The result of a future that must not hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("the test hangs")
}

/// Runs blocking work of a test beside the client.
pub(crate) async fn beside<T: Send + 'static>(
    server: &Arc<Server>,
    work: impl FnOnce(&Server) -> T + Send + 'static,
) -> T {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || work(&server)).await.unwrap()
}

/// Reads a stream to its end.
pub(crate) async fn read(mut stream: Stream) -> (Vec<Event>, Outcome) {
    let mut events = Vec::new();
    loop {
        match soon(stream.next()).await.unwrap() {
            Item::Event(event) => events.push(event),
            Item::End(outcome) => {
                assert!(soon(stream.next()).await.is_none(), "nothing follows the end");
                return (events, *outcome);
            }
        }
    }
}

/// The next event of a stream that is not over.
pub(crate) async fn next_event(stream: &mut Stream) -> Event {
    match soon(stream.next()).await.unwrap() {
        Item::Event(event) => event,
        Item::End(outcome) => panic!("ended early: {outcome:?}"),
    }
}

/// The end of a stream that has no further event.
pub(crate) async fn next_end(stream: &mut Stream) -> Outcome {
    match soon(stream.next()).await.unwrap() {
        Item::Event(event) => panic!("one event too many: {event:?}"),
        Item::End(outcome) => *outcome,
    }
}

/// Reads a stream that is not over until `reached`, which is asked after every poll.
pub(crate) async fn read_until(stream: &mut Stream, reached: impl Fn(&Stream) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    soon(std::future::poll_fn(|cx| {
        loop {
            let polled = pin!(stream.next()).poll(cx);
            let is_pending = polled.is_pending();
            match polled {
                Poll::Ready(Some(Item::Event(event))) => events.push(event),
                Poll::Ready(Some(Item::End(outcome))) => panic!("ended early: {outcome:?}"),
                Poll::Ready(None) => panic!("the end was not told"),
                Poll::Pending => {}
            }
            if reached(stream) {
                return Poll::Ready(());
            }
            if is_pending {
                return Poll::Pending;
            }
        }
    }))
    .await;
    events
}

/// Lets other tasks run until `reached`.
pub(crate) async fn yielding_until(reached: impl Fn() -> bool) {
    soon(async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Whether the head of the response and this many bytes of its body have arrived.
pub(crate) fn has_received(bytes: usize) -> impl Fn(&Stream) -> bool {
    move |stream| {
        !matches!(stream.phase(), Phase::Connecting | Phase::Opening)
            && stream.stats().received_bytes >= bytes as u64
    }
}

pub(crate) fn text(piece: &str) -> Event {
    Event::Text(piece.to_owned())
}

/// The events' text, joined.
pub(crate) fn joined(events: &[Event]) -> String {
    let mut joined = String::new();
    for event in events {
        if let Event::Text(piece) = event {
            joined.push_str(piece);
        }
    }
    joined
}
