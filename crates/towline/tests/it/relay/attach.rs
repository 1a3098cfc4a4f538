//! Reads a stream that another program started, from any offset.

use towline::error::ErrorKind;
use towline::relay::Start;
use towline::{Ending, Event};

use super::{answering, client, piece, records, until, writing};
use crate::client_support::{next_event, read, soon};

/// A relay with one ended job: `answering` alone has none before a request.
async fn with_a_job(relay: &super::Relay) {
    drop(read(client(&relay.url).chat(crate::client_support::chat("m"))).await);
}

#[tokio::test]
async fn every_byte_is_a_place_to_begin() {
    let relay = answering(&["one ", "two ", "three"]);
    with_a_job(&relay).await;
    let log = records(&["one ", "two ", "three"]);
    let line = log.iter().position(|&b| b == b'\n').unwrap() as u64 + 1;
    for (byte, text) in [
        (0, "one two three"),
        (1, "two three"),
        (line - 1, "two three"),
        (line, "two three"),
        (line + 1, "three"),
        (2 * line, "three"),
    ] {
        let (_, outcome) = read(client(&relay.url).attach("job0", Start::Byte(byte))).await;
        assert_eq!(outcome.reply.text, text, "from byte {byte}");
        assert!(outcome.is_completed(), "from byte {byte}: {outcome}");
    }
    // After the terminal record, nothing shows that the answer is complete.
    let (events, outcome) = read(client(&relay.url).attach("job0", Start::Byte(log.len() as u64))).await;
    assert_eq!((events.len(), outcome.ending.as_str()), (0, "truncated"));
}

#[tokio::test]
async fn a_late_reader_hears_what_comes() {
    let relay = writing();
    let client = client(&relay.url);
    let job = relay.shared.clone();
    drop(soon(client.chat(crate::client_support::chat("m")).next()).now_or_never_submitted(&relay).await);
    let log = job.jobs.lock().unwrap()[0].log.clone();
    log.push(&piece("before"));
    let mut late = client.attach("job0", Start::Tail);
    let coming = async {
        until("the late reader", || relay.count("GET /streams/job0?offset=0000000000000001") == 1).await;
        log.push(&piece("after"));
    };
    let (event, ()) = tokio::join!(next_event(&mut late), coming);
    assert_eq!(event, Event::Text("after".into()));
}

/// Polls a stream until the relay has its request.
trait Submitted: Future + Sized {
    async fn now_or_never_submitted(self, relay: &super::Relay) -> Option<Self::Output> {
        tokio::select! {
            output = self => Some(output),
            () = until("the job", || !relay.shared.jobs.lock().unwrap().is_empty()) => None,
        }
    }
}
impl<F: Future> Submitted for F {}

#[tokio::test]
async fn a_snapshot_ends_with_the_existing_bytes() {
    let relay = writing();
    let client = client(&relay.url);
    drop(soon(client.chat(crate::client_support::chat("m")).next()).now_or_never_submitted(&relay).await);
    let long = "x".repeat(2500);
    relay.job(0).log.push(&[piece(&long), piece("end")].concat());
    let (_, outcome) = read(client.attach_snapshot("job0", Start::Beginning)).await;
    assert_eq!(outcome.reply.text, format!("{long}end"));
    assert_eq!(outcome.ending.as_str(), "truncated");
    assert_eq!(relay.count("POST /towline"), 0, "a reader stops nothing");
    let mut bytes = Vec::new();
    let mut log = soon(client.relay().log("job0", Start::Byte(3), false)).await.unwrap();
    while soon(log.read(&mut bytes)).await.unwrap().is_some() {}
    assert_eq!(bytes, [piece(&long), piece("end")].concat()[3..]);
}

#[tokio::test]
async fn a_wrong_id_is_named() {
    let relay = answering(&[]);
    let client = client(&relay.url);
    let (_, outcome) = read(client.attach("nobody", Start::Beginning)).await;
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::NotFound, "{outcome}");
    let (_, outcome) = read(client.attach("../secret", Start::Beginning)).await;
    let Ending::Failed(error) = outcome.ending else { panic!("{outcome}") };
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(relay.lines().iter().all(|line| !line.contains("secret")));
}
