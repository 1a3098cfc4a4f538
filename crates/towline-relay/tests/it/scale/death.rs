//! Relays and servers that die, or seem dead.

use serde_json::json;
use towline_core::http1::Method;
use towline_relay::Fsync;
use towline_testkit::Server as Upstream;

use super::proxy::Proxy;
use super::redis::Redis;
use super::{first, relay, shared, taken, until, upstream};
use crate::process::Process;
use crate::support::{Relay, ask, chat, config, soon, stop_all};

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_a_relay_that_is_killed_get_a_true_end() {
    let (redis, upstream) = (Redis::start(), upstream());
    let b = relay(&redis, &upstream).await;
    let a = Process::start(&redis.url(), Fsync::Never, &upstream.url());
    let id = a.detached("stalling").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    a.kill();
    let log = tail.text().await;
    assert!(log.ends_with("\"outcome\":\"interrupted\",\"cause\":\"the relay ended\"}}\n"), "{log}");
    assert_eq!(log.lines().count(), 2);
    // The end is there before it is counted.
    for line in ["towline_relay_relays 1", "towline_relay_ended_for_others_total 1"] {
        soon(async { while !b.get("/metrics").await.text().await.lines().any(|said| said == line) {} }).await;
    }
    let job = b.ended(&id).await;
    assert_eq!(job["state"], "interrupted");
    assert_eq!(b.log(&id).await, log);
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_end_cannot_be_read_gets_its_end_later() {
    let (redis, upstream) = (Redis::start(), upstream());
    let b = relay(&redis, &upstream).await;
    let a = Process::start(&redis.url(), Fsync::Never, &upstream.url());
    let id = a.detached("stalling").await;
    b.get(&format!("/streams/{id}?live=raw")).await.until(first()).await;
    a.kill();
    // The last words of the model server, which the relay wrote before it died.
    let no = redis.say("SMEMBERS {towline}:all").lines().nth(2).unwrap().to_owned();
    let done =
        r#"{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n"#;
    let end = first() + done.replace("\\\"", "\"").replace("\\n", "\n").len();
    assert!(redis.say(&format!("XADD {{towline}}:l:{no} {end}-1 b \"{done}\"")).starts_with('$'));
    assert!(redis.say(&format!("HSET {{towline}}:s:{no} end {end} version 99.2.99")).starts_with(":0"));
    redis.say("ACL SETUSER default -getrange");
    let metric = async |line: &str| b.get("/metrics").await.text().await.lines().any(|said| said == line);
    while !metric("towline_relay_relays 1").await {
        tokio::task::yield_now().await;
    }
    // The other relay has tried to end the answer.
    while redis.say("ACL LOG").starts_with("*0") {
        tokio::task::yield_now().await;
    }
    assert!(!redis.say(&format!("HGET {{towline}}:s:{no} meta")).contains("interrupted"));
    redis.say("ACL SETUSER default +getrange");
    let job = b.ended(&id).await;
    assert_eq!(job["state"], "completed", "{job}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_ahead_of_the_relay_that_writes_resumes_there() {
    let (redis, upstream) = (Redis::start(), upstream());
    let proxy = Proxy::start(redis.port).await;
    let a = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    let b = relay(&redis, &upstream).await;
    let id = a.detached("twice").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    // The second record is written, and only the relay that wrote it has not been told so.
    proxy.hold_replies_to(Some("EVALSHA"));
    upstream.open("more");
    tail.until(2 * first()).await;
    let head = ask(&b.client, Method::Head, &format!("/streams/{id}"), &[], "").await;
    let offset = head.header("stream-next-offset").to_owned();
    let mut more = a.get(&format!("/streams/{id}?offset={offset}")).await;
    assert_eq!((more.status, more.header("stream-next-offset")), (200, offset.as_str()));
    assert_eq!(more.text().await, "");
    let mut resumed = a.get(&format!("/streams/{id}?offset={offset}&live=raw")).await;
    assert_eq!(resumed.status, 200);
    // What nobody has written is not waited for.
    let (incarnation, position) = offset.split_once('_').unwrap();
    let beyond = format!("{incarnation}_{:016}", position.parse::<usize>().unwrap() + 1);
    assert_eq!(a.get(&format!("/streams/{id}?offset={beyond}")).await.status, 410);
    proxy.hold_replies_to(None);
    upstream.open("go");
    let whole = tail.text().await;
    assert_eq!(resumed.text().await, whole[2 * first()..]);
    assert_eq!(a.ended(&id).await["state"], "completed");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_taken_for_dead_writes_nothing_more() {
    let (redis, upstream) = (Redis::start(), upstream());
    let b = relay(&redis, &upstream).await;
    let a = Process::start(&redis.url(), Fsync::Never, &upstream.url());
    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    let mut cut = a.get(&format!("/streams/{id}?live=raw")).await;
    cut.until(first()).await;
    a.signal("-STOP");
    let log = tail.text().await;
    // It wakes before the rest of the answer, and believes that it still holds the answer.
    upstream.open("go");
    a.signal("-CONT");
    while cut.more().await == Ok(true) {}
    assert!(log.as_bytes().starts_with(&cut.read), "{}", String::from_utf8_lossy(&cut.read));
    assert_eq!(b.log(&id).await, log);
    // The same relay, with a new number: it answers like the others.
    let again = a.get(&format!("/streams/{id}?live=raw")).await.text().await;
    assert_eq!(again, log);
    let job = a.get(&format!("/towline/v1/jobs/{id}")).await.json().await;
    assert_eq!(job["state"], "interrupted");
    let next = a.detached("short").await;
    assert_eq!(b.ended(&next).await["state"], "completed");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_keeps_its_lease_however_long_its_other_work_takes() {
    let (redis, upstream) = (Redis::start(), upstream());
    let proxy = Proxy::start(redis.port).await;
    let a = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    let b = Process::start(&redis.url(), Fsync::Never, &upstream.url());
    let mut ids = Vec::new();
    for _ in 0..4 {
        let id = b.detached("stalling").await;
        until(&a, &id, |job| job["state"] == "streaming").await;
        ids.push(id);
    }
    // Waiting for the writes of the dead relay, answer after answer, takes longer than a lease.
    proxy.hold_replies_to(Some("XRANGE"));
    b.kill();
    redis.say("DEL {towline}:lease:2");
    while proxy.held() < ids.len() {
        tokio::task::yield_now().await;
    }
    assert!(redis.say("EXISTS {towline}:lease:1").starts_with(":1"));
    proxy.hold_replies_to(None);
    for id in ids {
        assert_eq!(a.ended(&id).await["state"], "interrupted");
    }
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_buried_begins_no_answer_under_its_old_number() {
    let (redis, upstream) = (Redis::start(), upstream());
    let relay = relay(&redis, &upstream).await;
    redis.say("SREM {towline}:relays 1");
    // The request is refused until the relay knows its new number.
    let begun = soon(async {
        loop {
            let headers = [("towline-detach", "true")];
            let mut answer = relay.post("/api/chat", &headers, &chat("gated")).await;
            if answer.status == 202 {
                return answer.json().await["id"].as_str().unwrap().to_owned();
            }
            assert_eq!(answer.status, 503);
        }
    });
    let id = begun.await;
    assert!(redis.say("SCARD {towline}:held:1").starts_with(":0"));
    upstream.open("go");
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_begun_while_all_streams_are_read_again_is_not_taken_for_one_that_is_gone() {
    let (redis, upstream) = (Redis::start(), upstream());
    let proxy = Proxy::start(redis.port).await;
    let relay = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    // The list of all streams arrives late.
    proxy.hold_replies_to(Some("{towline}:all"));
    redis.say("SREM {towline}:relays 1");
    soon(async {
        while proxy.held() == 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
    let id = soon(async {
        loop {
            let headers = [("towline-detach", "true")];
            let mut answer = relay.post("/api/chat", &headers, &chat("gated")).await;
            if answer.status == 202 {
                return answer.json().await["id"].as_str().unwrap().to_owned();
            }
        }
    });
    let id = id.await;
    proxy.hold_replies_to(None);
    upstream.open("go");
    assert_eq!(soon(relay.ended(&id)).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_the_death_of_the_server() {
    let (mut redis, upstream) = (Redis::start(), upstream());
    let (a, b) = (relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    redis.kill();
    upstream.open("go");
    while a.get("/readyz").await.status == 200 {
        tokio::task::yield_now().await;
    }
    let refused = a.post("/api/chat", &[], &chat("short")).await;
    assert_eq!(refused.status, 503);
    redis.restart();
    let whole = tail.text().await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    let job = until(&a, &id, |job| !job["ended_at"].is_null()).await;
    assert_eq!(job["state"], json!("completed"));
    assert_eq!(a.log(&id).await, whole);
    while a.get("/readyz").await.status != 200 {
        tokio::task::yield_now().await;
    }
    stop_all([a, b]).await;
}

/// Two relays whose readers see only data that a replica has.
async fn two_with_a_replica(redis: &str, upstream: &Upstream) -> (Relay, Relay) {
    let mut config = shared(config(&upstream.url()), redis);
    config.store.replicas = 1;
    (Relay::start(config.clone()).await, Relay::start(config).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_continue_at_a_replica_that_is_promoted() {
    let (mut redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let proxy = Proxy::start(redis.port).await;
    let (a, b) = two_with_a_replica(&proxy.url(), &upstream).await;
    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    redis.kill();
    replica.say("REPLICAOF NO ONE");
    let _of_the_replica = replica.replica();
    proxy.lead_to(replica.port);
    upstream.open("go");
    let whole = tail.text().await;
    assert_eq!(a.ended(&id).await["state"], "completed");
    assert_eq!(b.log(&id).await, whole);
    assert!(whole.contains("\"done\":true"), "{whole}");
    while b.get("/readyz").await.status != 200 {
        tokio::task::yield_now().await;
    }
    let next = b.detached("short").await;
    assert_eq!(a.ended(&next).await["state"], "completed");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_relay_shows_what_the_replica_does_not_have() {
    let (redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let (a, b) = two_with_a_replica(&redis.url(), &upstream).await;
    let id = a.detached("twice").await;
    let mut tails = Vec::new();
    for relay in [&a, &b] {
        let mut tail = relay.get(&format!("/streams/{id}?live=raw")).await;
        tail.until(first()).await;
        tails.push(tail);
    }
    replica.signal("-STOP");
    let no = redis.say("SMEMBERS {towline}:all").lines().nth(2).unwrap().to_owned();
    upstream.open("more");
    let end = format!("HGET {{towline}}:s:{no} end");
    while !redis.say(&end).contains(&format!("\n{}\r", 2 * first())) {
        tokio::task::yield_now().await;
    }
    for relay in [&a, &b] {
        let mut seen = relay.get(&format!("/streams/{id}")).await;
        assert!(seen.status == 503 || seen.bytes().await.len() == first(), "{}", seen.status);
    }
    replica.signal("-CONT");
    upstream.open("go");
    let whole = tails.remove(0).text().await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    assert_eq!(tails.remove(0).text().await, whole);
    stop_all([a, b]).await;
}

/// The store has data that no reader has seen: the end is written after all of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_truly_where_the_replica_stays_away_for_too_long() {
    let (redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let (a, b) = two_with_a_replica(&redis.url(), &upstream).await;
    let id = a.detached("twice").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    replica.signal("-STOP");
    upstream.open("more");
    // A batch is tried for 20 s.
    while a.get(&format!("/towline/v1/jobs/{id}?wait=30")).await.json().await["state"] != "failed" {}
    for relay in [&a, &b] {
        assert_eq!(relay.get("/readyz").await.status, 503);
        assert_eq!(relay.post("/api/chat", &[], &chat("short")).await.status, 503);
    }
    assert_eq!(tail.read.len(), first(), "nothing is shown that the replica does not have");
    replica.signal("-CONT");
    let job = a.ended(&id).await;
    assert_eq!(job["state"], "failed", "{job}");
    let log = a.log(&id).await;
    let text = log.get(..2 * first()).unwrap();
    assert!(text.lines().count() == 2 && !text.contains("error"), "{log}");
    let end: serde_json::Value = serde_json::from_str(log[2 * first()..].trim_end()).unwrap();
    assert_eq!(end["towline"]["outcome"], "failed", "{log}");
    assert_eq!(b.ended(&id).await["state"], "failed");
    assert_eq!(b.log(&id).await, log);
    let headers = [("towline-detach", "true")];
    let next = taken(&a.client, &headers, "short").await.json().await["id"].as_str().unwrap().to_owned();
    assert_eq!(b.ended(&next).await["state"], "completed");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_does_not_stay_at_a_server_that_leads_no_more() {
    let (redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let proxy = Proxy::start(redis.port).await;
    let relay = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    let headers = [("towline-request-id", "one"), ("towline-detach", "true")];
    replica.say("REPLICAOF NO ONE");
    proxy.lead_new_to(replica.port);
    redis.say(&format!("REPLICAOF 127.0.0.1 {}", replica.port));
    let answer = taken(&relay.client, &headers, "short").await.json().await;
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_not_be_recorded_is_not_accepted_when_it_comes_again() {
    let (redis, upstream) = (Redis::start(), upstream());
    let relay = relay(&redis, &upstream).await;
    let headers = [("towline-request-id", "one"), ("towline-detach", "true")];
    redis.say("ACL SETUSER default -evalsha");
    for _ in 0..2 {
        assert_eq!(relay.post("/api/chat", &headers, &chat("short")).await.status, 503);
    }
    redis.say("ACL SETUSER default +evalsha");
    let answer = taken(&relay.client, &headers, "short").await.json().await;
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_promoted_replica_does_not_have_is_written_again() {
    let (mut redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let proxy = Proxy::start(redis.port).await;
    let relay = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    let id = relay.detached("twice").await;
    let mut tail = relay.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    redis.is_copied_to(&replica);
    replica.say("REPLICAOF NO ONE");
    upstream.open("more");
    tail.until(2 * first()).await;
    redis.kill();
    proxy.lead_to(replica.port);
    upstream.open("go");
    let whole = tail.text().await;
    assert_eq!(relay.ended(&id).await["state"], "completed");
    assert_eq!(relay.log(&id).await, whole);
    let later = Relay::start(shared(config(&upstream.url()), &proxy.url())).await;
    assert_eq!(later.log(&id).await, whole, "the replica has it all");
    stop_all([relay, later]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_takes_nothing_and_says_so() {
    let (redis, upstream) = (Redis::start_with(&["--maxmemory-policy", "noeviction"]), upstream());
    let (a, b) = (relay(&redis, &upstream).await, relay(&redis, &upstream).await);
    let id = a.detached("short").await;
    a.ended(&id).await;
    redis.say("CONFIG SET maxmemory 1");
    for relay in [&a, &b] {
        while relay.get("/readyz").await.status == 200 {
            tokio::task::yield_now().await;
        }
        assert_eq!(relay.post("/api/chat", &[], &chat("short")).await.status, 507);
        assert!(!relay.log(&id).await.is_empty(), "the existing log is read");
    }
    redis.say("CONFIG SET maxmemory 0");
    for relay in [&a, &b] {
        while relay.get("/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }
    }
    let next = b.detached("short").await;
    assert_eq!(a.ended(&next).await["state"], "completed");
    stop_all([a, b]).await;
}
