//! Streams that clients write, at several relays at once.

use std::collections::BTreeSet;

use towline_core::http1::Method;

use super::redis::Redis;
use super::{relay, upstream};
use crate::support::{Relay, ask, soon};

/// Appends of one client.
const APPENDS: usize = 20;

async fn put(relay: &Relay, id: &str, content_type: &str) -> u16 {
    let headers = [("content-type", content_type)];
    ask(&relay.client, Method::Put, &format!("/streams/{id}"), &headers, "").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_at_several_relays_is_there_once_and_whole() {
    let (redis, upstream) = (Redis::start(), upstream());
    let relays =
        [relay(&redis, &upstream).await, relay(&redis, &upstream).await, relay(&redis, &upstream).await];
    assert_eq!(put(&relays[0], "log", "text/plain").await, 201);
    let mut tail = relays[1].get("/streams/log?offset=-1&live=raw").await;
    let write = async |relay: &Relay, who: usize| {
        for nth in 0..APPENDS {
            let headers = [("content-type", "text/plain")];
            let body = format!("{who}-{nth}\n");
            let answer = relay.post("/streams/log", &headers, &body).await;
            assert_eq!(answer.status, 204, "{body}");
        }
    };
    tokio::join!(write(&relays[0], 0), write(&relays[1], 1), write(&relays[2], 2));
    let close = [("stream-closed", "true")];
    assert_eq!(relays[2].post("/streams/log", &close, "").await.status, 204);
    let text = tail.text().await;
    let lines: BTreeSet<&str> = text.lines().collect();
    assert_eq!((lines.len(), text.lines().count()), (3 * APPENDS, 3 * APPENDS));
    for who in 0..3 {
        let own = text.lines().filter(|line| line.starts_with(&format!("{who}-")));
        assert!(
            own.eq((0..APPENDS).map(|nth| format!("{who}-{nth}"))),
            "in the order in which they were sent"
        );
    }
    for relay in &relays {
        assert_eq!(relay.get("/streams/log").await.text().await, text);
        assert_eq!(relay.post("/streams/log", &[("content-type", "text/plain")], "x").await.status, 409);
    }
    for relay in relays {
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_comes_again_at_another_relay_is_known() {
    let (redis, upstream) = (Redis::start(), upstream());
    let (a, b) = (relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    let (one, other) = tokio::join!(put(&a, "made", "text/plain"), put(&b, "made", "text/plain"));
    assert_eq!([one, other].into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([200, 201]));
    assert_eq!(put(&b, "made", "text/html").await, 409);
    for nth in 0..5 {
        let seq = nth.to_string();
        let headers = [
            ("content-type", "text/plain"),
            ("producer-id", "p"),
            ("producer-epoch", "0"),
            ("producer-seq", &seq),
        ];
        assert_eq!(a.post("/streams/made", &headers, &seq).await.status, 200);
        assert_eq!(b.post("/streams/made", &headers, &seq).await.status, 204, "a duplicate");
    }
    assert_eq!(b.get("/streams/made").await.text().await, "01234");
    assert_eq!(a.get("/streams/made").await.text().await, "01234");
    // One of the same id that is made again has other offsets.
    let old = a.get("/streams/made").await.header("stream-next-offset").to_owned();
    assert_eq!(a.delete("/streams/made").await.status, 204);
    assert_eq!(put(&b, "made", "text/plain").await, 201);
    assert_eq!(soon(a.get(&format!("/streams/made?offset={old}"))).await.status, 410);
    for relay in [a, b] {
        relay.stop().await;
    }
}
