//! Streams that clients write, at several relays at once.

use std::collections::BTreeSet;

use towline_core::http1::Method;

use super::proxy::Proxy;
use super::redis::Redis;
use super::{relay, shared, two_relays, upstream};
use crate::support::{Relay, ask, config, soon, stop_all};

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
    let (_redis, _upstream, a, b) = two_relays().await;
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
    // A new stream with the same id has different offsets.
    let old = a.get("/streams/made").await.header("stream-next-offset").to_owned();
    assert_eq!(a.delete("/streams/made").await.status, 204);
    assert_eq!(put(&b, "made", "text/plain").await, 201);
    assert_eq!(soon(a.get(&format!("/streams/made?offset={old}"))).await.status, 410);
    stop_all([a, b]).await;
}

/// The number of the only stream.
fn only(redis: &Redis) -> String {
    redis.say("SMEMBERS {towline}:all").lines().nth(2).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_written_since_is_not_removed() {
    let (redis, upstream) = (Redis::start(), upstream());
    let relay = relay(&redis, &upstream).await;
    let headers = [("content-type", "text/plain"), ("stream-ttl", "1")];
    assert_eq!(ask(&relay.client, Method::Put, "/streams/log", &headers, "kept").await.status, 201);
    // It has expired, and the relay cannot remove it: scripts that are sent in full, such as removals, are refused.
    redis.say("ACL SETUSER default -eval");
    let head = async || soon(ask(&relay.client, Method::Head, "/streams/log", &[], "")).await.status;
    while head().await != 404 {
        tokio::task::yield_now().await;
    }
    // Another relay has written the stream meanwhile.
    let key = format!("{{towline}}:s:{}", only(&redis));
    let meta = redis.say(&format!("HGET {key} meta"));
    let meta = meta.lines().nth(1).unwrap().replace("\"ttl_s\":1", "\"ttl_s\":null").replace('"', "\\\"");
    assert!(redis.say(&format!("HSET {key} version 99.77.1 meta \"{meta}\"")).starts_with(":0"));
    redis.say("ACL SETUSER default +eval");
    soon(async {
        while head().await != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(relay.get("/streams/log").await.text().await, "kept");
    // A delete applies to the current stream.
    redis.say(&format!("HSET {key} version 199.77.1"));
    assert_eq!(relay.delete("/streams/log").await.status, 204);
    assert!(redis.say("SCARD {towline}:all").starts_with(":0"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_does_not_come_back_by_a_look_that_took_long() {
    let (redis, upstream) = (Redis::start(), upstream());
    let proxy = Proxy::start(redis.port).await;
    let a = relay(&redis, &upstream).await;
    let b = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    assert_eq!(put(&a, "log", "text/plain").await, 201);
    let streams = async || b.get("/towline/v1/version").await.json().await["streams"].clone();
    while streams().await != 1 {
        tokio::task::yield_now().await;
    }
    proxy.hold_replies_to(Some("HMGET"));
    let listed = async {
        let answer = ask(&b.client, Method::Head, "/streams/log", &[], "").await;
        assert!([200, 404, 503].contains(&answer.status), "{}", answer.status);
    };
    let removed = async {
        while proxy.held() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(a.delete("/streams/log").await.status, 204);
        while streams().await != 0 {
            tokio::task::yield_now().await;
        }
        proxy.hold_replies_to(None);
    };
    soon(async { tokio::join!(listed, removed) }).await;
    assert_eq!(streams().await, 0);
    assert_eq!(b.get("/streams/log").await.status, 404);
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_reply_is_lost_is_made_once_though_others_append() {
    let (redis, upstream) = (Redis::start(), upstream());
    let proxy = Proxy::start(redis.port).await;
    let a = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    let b = relay(&redis, &upstream).await;
    assert_eq!(put(&b, "log", "text/plain").await, 201);
    let headers = [("content-type", "text/plain")];
    proxy.hold_replies_to(Some("EVALSHA"));
    let first = a.post("/streams/log", &headers, "a");
    let second = async {
        let length = format!("XLEN {{towline}}:l:{}", only(&redis));
        while !redis.say(&length).starts_with(":1") {
            tokio::task::yield_now().await;
        }
        let answer = b.post("/streams/log", &headers, "b").await;
        proxy.cut();
        // The write is sent again.
        while proxy.held() < 2 {
            tokio::task::yield_now().await;
        }
        proxy.hold_replies_to(None);
        answer
    };
    let (first, second) = soon(async { tokio::join!(first, second) }).await;
    assert_eq!((first.status, second.status), (204, 204));
    let ends = [first, second].map(|answer| answer.header("stream-next-offset").to_owned());
    assert!(ends[0].ends_with("_0000000000000001") && ends[1].ends_with("_0000000000000002"), "{ends:?}");
    for relay in [a, b] {
        assert_eq!(relay.get("/streams/log").await.text().await, "ab");
        relay.stop().await;
    }
}
